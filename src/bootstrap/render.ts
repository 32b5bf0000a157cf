import Handlebars from 'handlebars';
import { readTextAsset } from '../base/assets.ts';

const PARTIALS = ['unit', 'service', 'hardening'];

const engine = Handlebars.create();
const compiled = new Map<string, Handlebars.TemplateDelegate>();

/** Renders templates/<name>. A variable that the template names and `values` lacks is an error. */
export function render(name: string, values: Record<string, unknown>): string {
  let template = compiled.get(name);
  if (template === undefined) {
    if (compiled.size === 0) {
      for (const partial of PARTIALS) {
        engine.registerPartial(partial, readTextAsset(`templates/systemd/partials/${partial}.hbs`));
      }
    }
    template = engine.compile(readTextAsset(`templates/${name}`), { noEscape: true, strict: true });
    compiled.set(name, template);
  }
  return template(values);
}
