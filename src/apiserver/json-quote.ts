/**
 * A string in double quotes as Go's %q prints it. JSON's quoting differs only for control characters and
 * the two line separators, which names and messages hardly ever hold; those are spelled Go's way.
 */
export function jsonQuote(text: string): string {
  return JSON.stringify(text)
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
    .replaceAll(/\\u00([01][0-9a-f])/g, '\\x$1');
}
