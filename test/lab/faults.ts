import type { LabServer } from './server.ts';

/** Flips one bit of a file in place: of its middle byte, or of the first byte of the last place where a text stands. */
export async function flipBit(server: LabServer, path: string, near?: string): Promise<void> {
  const script = `
    my ($path, $near) = @ARGV;
    open(my $file, "+<:raw", $path) or die "$path: $!";
    my $size = -s $file;
    my $at = int($size / 2);
    if (defined $near) { local $/; my $all = <$file>; $at = rindex($all, $near); die "no such text" if $at < 0 }
    seek($file, $at, 0); read($file, my $byte, 1);
    seek($file, $at, 0); print $file chr(ord($byte) ^ 4);
    close($file) or die $!;
  `;
  const quoted = [script, path, ...(near === undefined ? [] : [near])].map((word) => `'${word}'`).join(' ');
  await server.exec(`set -- ${quoted}; code=$1; shift; perl -e "$code" "$@"`);
}
