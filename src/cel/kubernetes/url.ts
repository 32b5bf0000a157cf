import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { nameType, struct } from '../types.ts';
import { ArrayList, EntryMap, OpaqueValue } from '../values.ts';
import type { Value } from '../values.ts';

const TYPE = nameType(struct('kubernetes.URL'));

interface Url {
  readonly scheme: string;
  readonly host: string;
  /** As written. */
  readonly path: string;
  readonly query: string;
}

class UrlProblem extends Error {}

class UrlValue extends OpaqueValue {
  override readonly type = TYPE;
  readonly url: Url;
  readonly text: string;

  constructor(url: Url, text: string) {
    super();
    this.url = url;
    this.text = text;
  }

  override equals(other: Value): boolean {
    return other instanceof UrlValue && this.text === other.text;
  }
}

/** As Go's url.ParseRequestURI: an absolute URI or an absolute path. Throws EvaluationError. */
function parseRequestUri(text: string): Url {
  try {
    const hash = text.indexOf('#');
    // What is a fragment is only known the second time, but has to be well-formed both times.
    readUrl(text);
    return readUrl(hash < 0 ? text : text.slice(0, hash));
  } catch (error) {
    if (!(error instanceof UrlProblem)) throw error;
    throw new EvaluationError(`parse ${JSON.stringify(text)}: ${error.message}`, { cause: error });
  }
}

function readUrl(text: string): Url {
  if (/\p{Cc}/u.test(text.replaceAll(/[\u0080-\u009f]/g, '')))
    throw new UrlProblem('net/url: invalid control character in URL');
  if (text === '') throw new UrlProblem('empty url');
  if (text === '*') return { scheme: '', host: '', path: '*', query: '' };
  const { scheme, rest: afterScheme } = splitScheme(text);
  const question = afterScheme.indexOf('?');
  const query = question < 0 ? '' : afterScheme.slice(question + 1);
  const rest = question < 0 ? afterScheme : afterScheme.slice(0, question);
  if (!rest.startsWith('/')) {
    if (scheme !== '') return { scheme, host: '', path: '', query };
    throw new UrlProblem('invalid URI for request');
  }
  let host = '';
  let path = rest;
  if (scheme !== '' && rest.startsWith('//')) {
    const slash = rest.indexOf('/', 2);
    const authority = slash < 0 ? rest.slice(2) : rest.slice(2, slash);
    path = slash < 0 ? '' : rest.slice(slash);
    host = readHost(authority);
  }
  unescape(path);
  return { scheme, host, path, query };
}

function splitScheme(text: string): { scheme: string; rest: string } {
  if (text.startsWith(':')) throw new UrlProblem('missing protocol scheme');
  const found = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text);
  if (found) return { scheme: (found[1] ?? '').toLowerCase(), rest: text.slice(found[0].length) };
  return { scheme: '', rest: text };
}

function readHost(authority: string): string {
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  if (at >= 0 && !/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(authority.slice(0, at))) {
    throw new UrlProblem('net/url: invalid userinfo');
  }
  if (host.startsWith('[')) {
    const end = host.lastIndexOf(']');
    if (end < 0) throw new UrlProblem("missing ']' in host");
    checkPort(host.slice(end + 1));
    return host;
  }
  const colon = host.lastIndexOf(':');
  if (colon >= 0) checkPort(host.slice(colon));
  const bad = /[\s"<>^`{|}\\]/.exec(host)?.[0];
  if (bad !== undefined) throw new UrlProblem(`invalid character ${JSON.stringify(bad)} in host name`);
  return unescape(host);
}

function checkPort(text: string): void {
  if (text !== '' && !/^:\d*$/.test(text))
    throw new UrlProblem(`invalid port ${JSON.stringify(text)} after host`);
}

function unescape(text: string): string {
  const bad = /%(?![0-9a-fA-F]{2})/.exec(text);
  if (bad) throw new UrlProblem(`invalid URL escape ${JSON.stringify(text.slice(bad.index, bad.index + 3))}`);
  const bytes = Buffer.from(text)
    .toString('latin1')
    .replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}

/** The path as written where that is well-formed, else with what needs it escaped. */
function escapedPath(path: string): string {
  if (path === '*' || /^(?:[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/]|%[0-9a-fA-F]{2})*$/.test(path)) return path;
  return Array.from(Buffer.from(unescape(path)), (byte) => {
    const char = String.fromCharCode(byte);
    if (/[A-Za-z0-9\-_.~$&+,/:;=@]/.test(char)) return char;
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

function hostname(host: string): string {
  const colon = host.lastIndexOf(':');
  const bare = colon >= 0 && /^:\d*$/.test(host.slice(colon)) ? host.slice(0, colon) : host;
  return bare.startsWith('[') && bare.endsWith(']') ? bare.slice(1, -1) : bare;
}

function port(host: string): string {
  return /:(\d*)$/.exec(host.replace(/^\[.*\]/, '[]'))?.[1] ?? '';
}

function queryMap(query: string): EntryMap {
  const values = new Map<string, Value[]>();
  for (const pair of query.split('&')) {
    if (pair === '' || pair.includes(';')) continue;
    const equals = pair.indexOf('=');
    const parts = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)];
    try {
      const [name = '', value = ''] = parts.map((part) => unescape(part.replaceAll('+', ' ')));
      values.set(name, [...(values.get(name) ?? []), value]);
    } catch (error) {
      // As Go, which leaves such a pair out.
      if (!(error instanceof UrlProblem)) throw error;
    }
  }
  const map = new EntryMap();
  for (const [name, list] of values) map.insert(name, new ArrayList(list));
  return map;
}

function toUrl(text: string): UrlValue {
  try {
    return new UrlValue(parseRequestUri(text), text);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw new EvaluationError(`URL parse error during conversion from string: ${error.message}`, {
      cause: error,
    });
  }
}

/** undefined where the text is a URI; else what is wrong. */
export function uriProblem(text: string): string | undefined {
  try {
    parseRequestUri(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return error.message;
  }
}

const U = 'kubernetes.URL';
const urlOf = (value: Value): Url => (value as UrlValue).url;

/** URLs as Go reads them. Mirrors apiserver pkg/cel/library/urls.go. */
export const URLS: readonly FunctionDeclaration[] = [
  declare(
    'url',
    overload('string_to_url', `(string) -> ${U}`, (a) => toUrl(a as string)),
  ),
  declare(
    'getScheme',
    overload('url_get_scheme', `${U}.() -> string`, (a) => urlOf(a).scheme),
  ),
  declare(
    'getHost',
    overload('url_get_host', `${U}.() -> string`, (a) => urlOf(a).host),
  ),
  declare(
    'getHostname',
    overload('url_get_hostname', `${U}.() -> string`, (a) => hostname(urlOf(a).host)),
  ),
  declare(
    'getPort',
    overload('url_get_port', `${U}.() -> string`, (a) => port(urlOf(a).host)),
  ),
  declare(
    'getEscapedPath',
    overload('url_get_escaped_path', `${U}.() -> string`, (a) => escapedPath(urlOf(a).path)),
  ),
  declare(
    'getQuery',
    overload('url_get_query', `${U}.() -> map(string, list(string))`, (a) => queryMap(urlOf(a).query)),
  ),
  declare(
    'isURL',
    overload('is_url_string', '(string) -> bool', (a) => uriProblem(a as string) === undefined),
  ),
];
