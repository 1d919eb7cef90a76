// SQL texts without the data in them: literals become `?`, comments go, lists shrink; and what the text does, in a few words.
import type { SqlDialect } from './sql-dialect.ts';
import { type SqlSummary, SummaryBuilder } from './sql-summary.ts';

/** UTF-16 units of a text that are read; what lies behind is left out. */
export const SQL_LENGTH_MAX = 8192;

export interface SqlDescription extends SqlSummary {
  /** Without literals and comments. */
  readonly text: string;
}

/**
 * Reads the text once from its beginning to its end. What is not closed, as where a text has been cut, counts as a literal
 * to its end, so that nothing of it is shown. Never throws.
 */
export function describeSql(sql: string, dialect: SqlDialect): SqlDescription {
  const isCut = sql.length > SQL_LENGTH_MAX;
  const reader = new SqlReader(isCut ? sql.slice(0, SQL_LENGTH_MAX) : sql, dialect);
  const text = reader.read();
  return { text: isCut ? `${text} …` : text, ...reader.summary.result() };
}

const SPACE = 0x20;
const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const DOLLAR = 0x24;
const SINGLE_QUOTE = 0x27;
const OPEN = 0x28;
const STAR = 0x2a;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const QUESTION = 0x3f;
const AT = 0x40;
const BACKSLASH = 0x5c;
const BACKTICK = 0x60;

const isBlank = (code: number): boolean => code <= SPACE;
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
const beginsWord = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || code >= 0x80;
const continuesWord = (code: number): boolean => beginsWord(code) || isDigit(code) || code === DOLLAR;

/** In front of a quote these belong to the string: `E'…'`, `x'1f'`, `_utf8mb4'…'`. */
const stringPrefix = /^(?:[ebnx]|_[a-z0-9]+)$/i;
const exponent = /[eE]$/;
const newline = /[\r\n]/;

/** How far the reader is in `IN (?, ?, ?)`, of which `IN (?)` is left. */
const ListAt = { none: 0, word: 1, first: 2, item: 3, comma: 4 } as const;

class SqlReader {
  readonly summary: SummaryBuilder = new SummaryBuilder();
  readonly #sql: string;
  readonly #dialect: SqlDialect;
  #pos = 0;
  #out = '';
  /** Up to where the text is in `#out`; what follows is as it was. */
  #copied = 0;
  #list: number = ListAt.none;
  #beforeComma = '';

  constructor(sql: string, dialect: SqlDialect) {
    this.#sql = sql;
    this.#dialect = dialect;
  }

  read(): string {
    while (this.#pos < this.#sql.length) this.#token(this.#pos);
    this.#copyTo(this.#sql.length);
    return this.#out.trim();
  }

  #token(at: number): void {
    const code = this.#code(at);
    const { doubleQuotedStrings, backslashEscapes } = this.#dialect;
    if (isBlank(code) || this.#commentEnd(at) > at) this.#blank(at);
    else if (beginsWord(code)) this.#word(at);
    else if (code === SINGLE_QUOTE || (code === DOUBLE_QUOTE && doubleQuotedStrings))
      this.#literal(at, this.#stringEnd(at, code, backslashEscapes));
    else if (code === DOUBLE_QUOTE || code === BACKTICK) this.#quotedName(at, code);
    else if (isDigit(code) || (code === DOT && isDigit(this.#code(at + 1))))
      this.#literal(at, this.#numberEnd(at));
    else if (code === DOLLAR) this.#dollar(at);
    else if (code === QUESTION) this.#value(at, this.#skip(at + 1, isDigit), undefined);
    else if (code === COLON || code === AT) this.#named(at, code);
    else this.#punctuation(at, code);
  }

  /** NaN, which is nothing of all that, behind the end. */
  #code(at: number): number {
    return this.#sql.charCodeAt(at);
  }

  #skip(from: number, belongs: (code: number) => boolean): number {
    let end = from;
    while (belongs(this.#code(end))) end++;
    return end;
  }

  #copyTo(end: number): void {
    this.#out += this.#sql.slice(this.#copied, end);
    this.#copied = end;
  }

  #replace(from: number, to: number, by: string): void {
    this.#copyTo(from);
    this.#out += by;
    this.#copied = to;
  }

  /** Blanks and comments in a row are one space. */
  #blank(at: number): void {
    const end = this.#blankEnd(at);
    if (end - at > 1 || this.#code(at) !== SPACE) this.#replace(at, end, ' ');
    this.#pos = end;
  }

  #blankEnd(at: number): number {
    let end = at;
    for (let next = at; ; end = next) {
      next = this.#commentEnd(this.#skip(end, isBlank));
      if (next === end) return end;
    }
  }

  /** The place itself when no comment begins there. */
  #commentEnd(at: number): number {
    const code = this.#code(at);
    const next = this.#code(at + 1);
    const { hashComments } = this.#dialect;
    if (code === SLASH && next === STAR) return this.#blockEnd(at);
    if (code === HASH && hashComments) return this.#lineEnd(at);
    if (code !== MINUS || next !== MINUS) return at;
    const after = this.#code(at + 2);
    return !hashComments || Number.isNaN(after) || isBlank(after) ? this.#lineEnd(at) : at;
  }

  #lineEnd(at: number): number {
    const { lineEnd } = this.#dialect;
    lineEnd.lastIndex = at;
    return lineEnd.exec(this.#sql)?.index ?? this.#sql.length;
  }

  #blockEnd(at: number): number {
    let depth = 0;
    for (let i = at; i < this.#sql.length; i++) {
      const code = this.#code(i);
      const next = this.#code(i + 1);
      if (code === SLASH && next === STAR && (depth === 0 || this.#dialect.nestedComments)) {
        depth++;
        i++;
      } else if (code === STAR && next === SLASH) {
        depth--;
        i++;
        if (depth === 0) return i + 1;
      }
    }
    return this.#sql.length;
  }

  #word(at: number): void {
    const end = this.#skip(at, continuesWord);
    const { escapeStrings, backslashEscapes } = this.#dialect;
    if (this.#code(end) === SINGLE_QUOTE) {
      const prefix = this.#sql.slice(at, end);
      if (stringPrefix.test(prefix)) {
        const escapes = backslashEscapes || (escapeStrings && /e/i.test(prefix));
        this.#literal(at, this.#stringEnd(end, SINGLE_QUOTE, escapes));
        return;
      }
    }
    const nameEnd = this.#nameEnd(end);
    const text = this.#sql.slice(at, nameEnd);
    if (nameEnd === end) this.summary.word(text);
    else this.summary.name(text);
    this.#list = text.length === 2 && text.toUpperCase() === 'IN' ? ListAt.word : ListAt.none;
    this.#pos = nameEnd;
  }

  #quotedName(at: number, quote: number): void {
    const end = this.#quotedEnd(at, quote, false);
    if (end < 0) {
      this.#literal(at, this.#sql.length);
      return;
    }
    this.#pos = this.#nameEnd(end);
    this.summary.name(this.#sql.slice(at, this.#pos));
    this.#list = ListAt.none;
  }

  /** Where a name ends whose first part ends here: `public."Users"`. */
  #nameEnd(from: number): number {
    let end = from;
    while (this.#code(end) === DOT) {
      const code = this.#code(end + 1);
      const isQuoted = code === BACKTICK || (code === DOUBLE_QUOTE && !this.#dialect.doubleQuotedStrings);
      if (!isQuoted && !beginsWord(code)) break;
      const next = isQuoted ? this.#quotedEnd(end + 1, code, false) : this.#skip(end + 1, continuesWord);
      if (next < 0) break;
      end = next;
    }
    return end;
  }

  /** Behind the closing quote; -1 when there is none. A doubled quote is none. */
  #quotedEnd(at: number, quote: number, backslashEscapes: boolean): number {
    for (let i = at + 1; i < this.#sql.length; i++) {
      const code = this.#code(i);
      if (code === BACKSLASH && backslashEscapes) i++;
      else if (code === quote) {
        if (this.#code(i + 1) !== quote) return i + 1;
        i++;
      }
    }
    return -1;
  }

  /** Strings with nothing but a new line in between are one, and have the same escapes. */
  #stringEnd(at: number, quote: number, backslashEscapes: boolean): number {
    for (let from = at; ; ) {
      const end = this.#quotedEnd(from, quote, backslashEscapes);
      if (end < 0) return this.#sql.length;
      from = this.#blankEnd(end);
      if (this.#code(from) !== quote || !newline.test(this.#sql.slice(end, from))) return end;
    }
  }

  #numberEnd(at: number): number {
    let end = at + 1;
    for (; ; end++) {
      const code = this.#code(end);
      const isSign = code === PLUS || code === MINUS;
      if (isSign ? !exponent.test(this.#sql[end - 1]!) : !continuesWord(code) && code !== DOT) return end;
    }
  }

  /** A quoted string, `$1`, or `$name`. */
  #dollar(at: number): void {
    const tagEnd = this.#skip(at + 1, code => continuesWord(code) && code !== DOLLAR);
    const isQuote =
      this.#dialect.dollarQuotes && this.#code(tagEnd) === DOLLAR && !isDigit(this.#code(at + 1));
    if (isQuote) {
      const tag = this.#sql.slice(at, tagEnd + 1);
      const close = this.#sql.indexOf(tag, tagEnd + 1);
      this.#literal(at, close < 0 ? this.#sql.length : close + tag.length);
    } else if (tagEnd > at + 1) this.#value(at, tagEnd, undefined);
    else this.#punctuation(at, DOLLAR);
  }

  /** `:name`, `@name` and `@@name`; the colons of a cast are none. */
  #named(at: number, sign: number): void {
    const isDouble = this.#code(at + 1) === sign;
    const from = isDouble ? at + 2 : at + 1;
    const isName = beginsWord(this.#code(from)) && !(isDouble && sign === COLON);
    if (isName) this.#value(at, this.#skip(from, continuesWord), undefined);
    else {
      this.#punctuation(at, sign);
      this.#pos = from;
    }
  }

  #literal(at: number, end: number): void {
    this.#value(at, end, '?');
  }

  /** @param by what stands for the value, if not itself, as a parameter does */
  #value(at: number, end: number, by: string | undefined): void {
    this.summary.value();
    this.#pos = end;
    if (this.#list === ListAt.comma) {
      this.#out = this.#beforeComma;
      this.#copied = end;
      this.#list = ListAt.item;
      return;
    }
    if (by !== undefined) this.#replace(at, end, by);
    this.#list = this.#list === ListAt.first ? ListAt.item : ListAt.none;
  }

  #punctuation(at: number, code: number): void {
    const list = this.#list;
    const isSign = code === MINUS || code === PLUS;
    if (code === OPEN && list === ListAt.word) this.#list = ListAt.first;
    else if (code === COMMA && list === ListAt.item) {
      this.#copyTo(at);
      this.#beforeComma = this.#out;
      this.#list = ListAt.comma;
    } else if (!isSign || (list !== ListAt.first && list !== ListAt.comma)) this.#list = ListAt.none;
    this.summary.punctuation(this.#sql[at]!);
    this.#pos = at + 1;
  }
}
