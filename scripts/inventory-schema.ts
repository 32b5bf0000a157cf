/** Writes the JSON Schema of the inventory, by which editors complete and check it. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inventoryJsonSchema } from '../src/bootstrap/inventory/schema.ts';

const path = fileURLToPath(new URL('../inventories/schema.json', import.meta.url));
writeFileSync(path, `${JSON.stringify(inventoryJsonSchema(), null, 2)}\n`);
