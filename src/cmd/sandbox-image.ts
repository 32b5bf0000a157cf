import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { isExecutable, readAsset } from '../base/assets.ts';
import { messageOf, SlipwayError } from '../base/errors.ts';

const EXAMPLES = `
Examples:
  slipway sandbox-image --output pause.tar
  ctr -n k8s.io images import pause.tar

Exit codes:
  0  the image is written
  1  it failed; the message says why
  2  wrong usage`;

export function sandboxImageCommand(): Command {
  return new Command('sandbox-image')
    .description('write slipway.local/pause:<version>, the image of pod sandboxes, as an OCI tar')
    .requiredOption('-o, --output <file>', 'where to write it; - is standard output')
    .addHelpText('after', EXAMPLES)
    .action(async ({ output }: { output: string }) => {
      const image = sandboxImage();
      if (output === '-') process.stdout.write(image);
      else await writeFile(output, image);
    });
}

function sandboxImage(): Buffer {
  try {
    return readAsset('dist/pause.tar');
  } catch (cause) {
    throw new SlipwayError('E_NO_SANDBOX_IMAGE', `the sandbox image is missing: ${messageOf(cause)}`, {
      cause,
      ...(isExecutable() ? {} : { hint: 'The build makes it: npm run build' }),
    });
  }
}
