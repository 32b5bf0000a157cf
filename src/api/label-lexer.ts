export type TokenType =
  | 'word'
  | 'in'
  | 'notin'
  | ','
  | '('
  | ')'
  | '!'
  | '='
  | '=='
  | '!='
  | '>'
  | '<'
  | 'error'
  | 'end';

export interface Token {
  readonly type: TokenType;
  readonly text: string;
}

const SYMBOLS: ReadonlySet<string> = new Set([',', '(', ')', '!', '=', '==', '!=', '>', '<']);

/** The tokens of a label selector, the last one 'end'. Mirrors the lexer of apimachinery's pkg/labels. */
export function lexSelector(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    if (/\s/.test(character)) {
      at++;
    } else if (/[=!(),><]/.test(character)) {
      const pair = text.slice(at, at + 2);
      const symbol = SYMBOLS.has(pair) ? pair : character;
      tokens.push({ type: symbol as TokenType, text: symbol });
      at += symbol.length;
    } else {
      const word = /^[^\s=!(),><]+/.exec(text.slice(at))![0];
      tokens.push({ type: word === 'in' || word === 'notin' ? word : 'word', text: word });
      at += word.length;
    }
  }
  tokens.push({ type: 'end', text: '' });
  return tokens;
}
