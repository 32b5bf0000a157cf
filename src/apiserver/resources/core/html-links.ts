import { Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';

/** Attributes that hold an address, by element. */
const LINKS: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};
/** What stands in these is text, whatever it looks like. */
const TEXT_ELEMENTS = /^(script|style|textarea|title|xmp|iframe|noembed|noframes)$/;
/** Longer ones are passed on as they are: nothing of theirs waits here. */
const LONGEST_TAG = 64 * 1024;
const ATTRIBUTE = /([^\s"'>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/g;

/**
 * Rewrites the addresses in a page as it passes through. Bytes that are none of them go through as they came; text is taken
 * for ASCII and what contains it. Mirrors rewriteHTML of apimachinery pkg/util/proxy/transport.go.
 */
export class HtmlLinks extends Transform {
  readonly #rewrite: (url: string) => string;
  #held = '';
  /** The end tag that is waited for, in an element whose content is text. */
  #until = '';

  constructor(rewrite: (url: string) => string) {
    super();
    this.#rewrite = rewrite;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#held += chunk.toString('latin1');
    this.push(Buffer.from(this.#take(false), 'latin1'));
    done();
  }

  override _flush(done: TransformCallback): void {
    this.push(Buffer.from(this.#take(true), 'latin1'));
    done();
  }

  /** What can be passed on; the rest is held until more has come. */
  #take(isEnd: boolean): string {
    const text = this.#held;
    let out = '';
    let at = 0;
    while (at < text.length) {
      const next = this.#until === '' ? text.indexOf('<', at) : this.#endOfText(text, at);
      if (next < 0) {
        // The beginning of what is looked for may be at the end.
        const keep = this.#until === '' || isEnd ? 0 : Math.min(this.#until.length, text.length - at);
        out += text.slice(at, text.length - keep);
        at = text.length - keep;
        break;
      }
      out += text.slice(at, next);
      at = next;
      this.#until = '';
      const end = endOfTag(text, at);
      if (end < 0) {
        if (!isEnd && text.length - at < LONGEST_TAG) break;
        out += text.slice(at);
        at = text.length;
        break;
      }
      out += this.#tag(text.slice(at, end));
      at = end;
    }
    this.#held = text.slice(at);
    return out;
  }

  #endOfText(text: string, from: number): number {
    return text.toLowerCase().indexOf(this.#until, from);
  }

  #tag(tag: string): string {
    const name = /^<([a-zA-Z][^\s/>]*)/.exec(tag)?.[1]?.toLowerCase();
    if (name === undefined) return tag;
    if (TEXT_ELEMENTS.test(name) && !tag.endsWith('/>')) this.#until = `</${name}`;
    const links = Object.hasOwn(LINKS, name) ? LINKS[name] : undefined;
    if (!links) return tag;
    return tag.replace(ATTRIBUTE, (whole, attribute: string, equals: string, value: string) => {
      if (!links.includes(attribute.toLowerCase())) return whole;
      const quote = /^["']/.exec(value)?.[0] ?? '';
      const url = quote === '' ? value : value.slice(1, -1);
      return `${attribute}${equals}${quote}${this.#rewrite(url)}${quote}`;
    });
  }
}

/** After the '>' that ends the tag or comment that begins at `at`; -1 where it has not come yet. */
function endOfTag(text: string, at: number): number {
  if (text.startsWith('<!--', at)) {
    const end = text.indexOf('-->', at + 4);
    return end < 0 ? -1 : end + 3;
  }
  if (at + 4 > text.length && '<!--'.startsWith(text.slice(at))) return -1;
  if (at + 1 >= text.length) return -1;
  // A '<' before anything else is text.
  if (!/[a-zA-Z/!?]/.test(text[at + 1] ?? '')) return at + 1;
  let quote = '';
  for (let index = at + 1; index < text.length; index++) {
    const char = text[index];
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '>') return index + 1;
  }
  return -1;
}
