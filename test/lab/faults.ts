import type { LabServer } from './server.ts';

/** Flips a bit of a file in place: of its middle byte, or of the first byte of each place where a text stands. */
export async function flipBit(server: LabServer, path: string, near?: string): Promise<void> {
  const script = `
    my ($path, $near) = @ARGV;
    open(my $file, "+<:raw", $path) or die "$path: $!";
    my @places = (int((-s $file) / 2));
    if (defined $near) {
      local $/;
      my $all = <$file>;
      @places = ();
      for (my $at = index($all, $near); $at >= 0; $at = index($all, $near, $at + 1)) { push(@places, $at) }
      die "no such text" if !@places;
    }
    for my $at (@places) {
      seek($file, $at, 0); read($file, my $byte, 1);
      seek($file, $at, 0); print $file chr(ord($byte) ^ 4);
    }
    close($file) or die $!;
  `;
  const quoted = [script, path, ...(near === undefined ? [] : [near])].map((word) => `'${word}'`).join(' ');
  await server.exec(`set -- ${quoted}; code=$1; shift; perl -e "$code" "$@"`);
}
