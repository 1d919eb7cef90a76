// Reads a parsed GraphQL document: which operation is asked for, and its text without the data in it.

/** UTF-16 units of a document that are shown. */
const TEXT_LENGTH_MAX = 8192;

interface Token {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly next: Token | null;
}

interface Definition {
  readonly kind: string;
  readonly operation?: string;
  readonly name?: { readonly value: string } | undefined;
}

/** What `parse` of graphql gives. */
export interface GraphqlDocument {
  readonly definitions: readonly Definition[];
  /** Absent where the parser was told `noLocation`. */
  readonly loc?: { readonly startToken: Token; readonly source: { readonly body: string } } | undefined;
}

export interface Operation {
  /** `query`, `mutation` or `subscription`; undefined when no operation of the document is meant. */
  readonly type: string | undefined;
  readonly name: string | undefined;
}

const literals: ReadonlySet<string> = new Set(['Int', 'Float', 'String', 'BlockString']);
/** Servers keep the documents that they are asked for often. */
const texts = new WeakMap<GraphqlDocument, string>();

/** @param name of the operation that is meant, where the document has several */
export function operationOf({ definitions }: GraphqlDocument, name: unknown): Operation {
  const operations = definitions.filter(({ kind }) => kind === 'OperationDefinition');
  const named = operations.find(operation => operation.name?.value === name);
  const meant = name == null ? (operations.length === 1 ? operations[0] : undefined) : named;
  return { type: meant?.operation, name: meant?.name?.value };
}

/** Numbers and strings become `?`, comments go, and white space shrinks; undefined when the text is not known. */
export function textOf(document: GraphqlDocument): string | undefined {
  if (document.loc === undefined) return undefined;
  let text = texts.get(document);
  if (text === undefined) {
    text = readText(document.loc.source.body, document.loc.startToken);
    texts.set(document, text);
  }
  return text;
}

function readText(body: string, first: Token): string {
  let text = '';
  let from = 0;
  for (let token: Token | null = first; token !== null; token = token.next) {
    if (text.length + token.start - from > TEXT_LENGTH_MAX) return `${shrunk(text)} …`;
    const isLiteral = literals.has(token.kind);
    if (!isLiteral && token.kind !== 'Comment') continue;
    text += body.slice(from, token.start) + (isLiteral ? '?' : '');
    from = token.end;
  }
  return shrunk(text + body.slice(from));
}

function shrunk(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
