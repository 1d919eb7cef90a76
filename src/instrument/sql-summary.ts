// The summary of an SQL text: its operations and what they work on, read word by word (semantic conventions, "Generating a summary").

/** UTF-16 units of a summary (semantic conventions: 255, never cut within a name). */
const SUMMARY_LENGTH_MAX = 255;
/** Nesting that is told apart; what is deeper counts as one level. */
const DEPTH_MAX = 64;
/** The longest word that means something here. */
const KEYWORD_LENGTH_MAX = 'CONCURRENTLY'.length;

/** What may stand between a word that announces a table and its name. */
const modifiers: ReadonlySet<string> = new Set([
  ...['ONLY', 'LATERAL', 'IF', 'NOT', 'EXISTS', 'TABLE', 'INTO', 'FROM', 'ON', 'CONCURRENTLY'],
  ...['IGNORE', 'LOW_PRIORITY', 'HIGH_PRIORITY', 'DELAYED', 'QUICK', 'OR', 'ABORT', 'FAIL', 'ROLLBACK'],
]);
const schemaOperations: ReadonlySet<string> = new Set(['CREATE', 'DROP', 'ALTER', 'TRUNCATE']);
const schemaObjects: ReadonlySet<string> = new Set([
  ...['TABLE', 'INDEX', 'VIEW', 'DATABASE', 'SCHEMA', 'FUNCTION', 'PROCEDURE', 'SEQUENCE', 'TYPE', 'TRIGGER'],
  ...['USER', 'ROLE', 'EXTENSION'],
]);
/** Operations whose name is followed by what they work on. */
const namingOperations: ReadonlySet<string> = new Set([
  ...['UPDATE', 'TRUNCATE', 'CALL', 'EXEC', 'EXECUTE', 'COPY', 'USE'],
]);
/** Operations on rows; SELECT alone is reserved and is one wherever it stands. */
const rowOperations: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);
/** What ends a list of tables. */
const clauses: ReadonlySet<string> = new Set([
  ...['WHERE', 'GROUP', 'ORDER', 'HAVING', 'LIMIT', 'OFFSET', 'FETCH', 'WINDOW', 'FOR', 'UNION', 'INTERSECT'],
  ...['EXCEPT', 'RETURNING', 'SET', 'VALUES'],
]);
/** Operations that do not work on a table. */
const otherTargets: ReadonlySet<string> = new Set(['CALL', 'EXEC', 'EXECUTE', 'USE']);

export interface SqlSummary {
  /** Operations and their targets, `INSERT shipping_details SELECT orders`; empty for a text without a word. */
  readonly summary: string;
  /** The operation, when there is just one. */
  readonly operation: string | undefined;
  /** The table as it is written, when there is one operation on just one. */
  readonly collection: string | undefined;
}

/** Takes the tokens of one text in their order. */
export class SummaryBuilder {
  #summary = '';
  #isFull = false;
  #separator = '';
  #operations = 0;
  #operation = '';
  #targets = 0;
  #target = '';
  #hasOtherTargets = false;
  #depth = 0;
  /** By depth: whether FROM announces tables there, as it does not in `EXTRACT(day FROM x)`; whether a comma does. */
  readonly #inQuery: boolean[] = [false];
  readonly #inTables: boolean[] = [false];
  #startsStatement = true;
  #beganWith = false;
  #expectsObject = false;
  #expectsTarget = false;
  /** The word before, in capitals, or the punctuation. */
  #previous = '';

  word(text: string): void {
    const word = text.length <= KEYWORD_LENGTH_MAX ? text.toUpperCase() : '';
    if (this.#startsStatement) this.#begin(word, text);
    else if (word === 'SELECT' || (rowOperations.has(word) && this.#mayBeginOperation()))
      this.#addOperation(word, text);
    else if (this.#expectsObject && schemaObjects.has(word)) this.#addObject(word, text);
    else if (this.#expectsTarget && !modifiers.has(word)) this.#addTarget(text);
    else this.#keyword(word);
    this.#previous = word;
  }

  /** A name that is no single word: quoted, or of several parts, as it is written. */
  name(text: string): void {
    this.#startsStatement = false;
    if (this.#expectsTarget) this.#addTarget(text);
    this.#previous = '';
  }

  /** A literal or a parameter. */
  value(): void {
    this.#expectsTarget = false;
    this.#previous = '';
  }

  punctuation(character: string): void {
    this.#expectsTarget = character === ',' && this.#inTables[this.#level] === true;
    if (character === '(') {
      this.#depth++;
      this.#inQuery[this.#level] = false;
      this.#inTables[this.#level] = false;
    } else if (character === ')') this.#depth = Math.max(0, this.#depth - 1);
    else if (character === ';') this.#endStatement();
    this.#previous = character;
  }

  result(): SqlSummary {
    const isOne = this.#operations === 1;
    const isTable = isOne && this.#targets === 1 && !this.#hasOtherTargets;
    return {
      summary: this.#summary,
      operation: isOne ? this.#operation : undefined,
      collection: isTable ? this.#target : undefined,
    };
  }

  get #level(): number {
    return Math.min(this.#depth, DEPTH_MAX);
  }

  #begin(word: string, text: string): void {
    this.#startsStatement = false;
    this.#beganWith = word === 'WITH';
    if (!this.#beganWith) this.#addOperation(word, text);
  }

  #endStatement(): void {
    this.#startsStatement = true;
    this.#expectsObject = false;
    this.#depth = 0;
    this.#inQuery[0] = false;
    this.#inTables[0] = false;
    if (this.#summary !== '') this.#separator = ';';
  }

  /** Not so in `FOR UPDATE`, `ON CONFLICT DO UPDATE`, `ON DELETE CASCADE`. */
  #mayBeginOperation(): boolean {
    return this.#previous === '(' || (this.#beganWith && this.#depth === 0 && this.#previous === ')');
  }

  #keyword(word: string): void {
    if (word === 'FROM') {
      const announces = this.#inQuery[this.#level] === true && this.#previous !== 'DISTINCT';
      this.#expectsTarget ||= announces;
      this.#inTables[this.#level] = announces;
    } else if (word === 'JOIN' || word === 'INTO') this.#expectsTarget = true;
    else if (clauses.has(word)) this.#inTables[this.#level] = false;
  }

  #addOperation(word: string, text: string): void {
    this.#inQuery[this.#level] = word === 'SELECT' || word === 'DELETE';
    this.#inTables[this.#level] = false;
    this.#expectsObject = schemaOperations.has(word);
    this.#expectsTarget = namingOperations.has(word);
    this.#hasOtherTargets ||= otherTargets.has(word);
    this.#operations++;
    this.#operation = text;
    this.#append(text);
  }

  /** `CREATE TABLE` is one operation. */
  #addObject(word: string, text: string): void {
    this.#expectsObject = false;
    this.#expectsTarget = true;
    this.#hasOtherTargets ||= word !== 'TABLE' && word !== 'VIEW';
    this.#operation += ` ${text}`;
    this.#append(text);
  }

  #addTarget(text: string): void {
    this.#expectsTarget = false;
    this.#expectsObject = false;
    this.#targets++;
    this.#target = text;
    this.#append(text);
  }

  #append(text: string): void {
    const gap = this.#summary === '' ? '' : `${this.#separator} `;
    this.#separator = '';
    this.#isFull ||= this.#summary.length + gap.length + text.length > SUMMARY_LENGTH_MAX;
    if (!this.#isFull) this.#summary += gap + text;
  }
}
