// The templates of line_format and label_format: fields, string constants, and a handful of functions.
import { QueryError } from '../promql/ast.ts';
import { unquote } from '../promql/literals.ts';

/** What a template can see of an entry. */
export interface TemplateScope {
  readonly line: string;
  readonly timestamp: bigint;
  label(name: string): string;
}

type Part = (scope: TemplateScope) => string;

const functions: ReadonlyMap<string, (...args: string[]) => string> = new Map<
  string,
  (...args: string[]) => string
>([
  ['contains', (part, text) => String((text ?? '').includes(part!))],
  ['hasPrefix', (part, text) => String((text ?? '').startsWith(part!))],
  ['hasSuffix', (part, text) => String((text ?? '').endsWith(part!))],
  ['replace', (from, to, text) => (text ?? '').replaceAll(from!, to!)],
  ['trim', text => text!.trim()],
  ['lower', text => text!.toLowerCase()],
  ['upper', text => text!.toUpperCase()],
  ['ToLower', text => text!.toLowerCase()],
  ['ToUpper', text => text!.toUpperCase()],
]);

/** Compiles a template. @throws QueryError naming a function or construct that is not supported */
export function compileTemplate(template: string): Part {
  const parts = template
    .split(/(\{\{.*?\}\})/s)
    .map(part => (part.startsWith('{{') ? compileAction(part) : () => part));
  return scope => parts.map(part => part(scope)).join('');
}

/** `{{ .label | function argument }}`: each stage's result is the last argument of the next. */
function compileAction(action: string): Part {
  const body = action.slice(2, -2).replace(/^-|-$/g, '').trim();
  let piped: Part | undefined;
  for (const stage of splitPipe(body)) piped = compileStage(stage, piped, action);
  return piped ?? (() => '');
}

function splitPipe(body: string): string[] {
  const tokens = body.match(/"(?:[^"\\]|\\.)*"|`[^`]*`|\||[^\s|]+/g) ?? [];
  const stages: string[] = [''];
  for (const token of tokens) {
    if (token === '|') stages.push('');
    else stages[stages.length - 1] += `${stages.at(-1) === '' ? '' : ' '}${token}`;
  }
  return stages;
}

function compileStage(stage: string, piped: Part | undefined, action: string): Part {
  const tokens = stage.match(/"(?:[^"\\]|\\.)*"|`[^`]*`|\S+/g) ?? [];
  const [head = '', ...rest] = tokens;
  const apply = functions.get(head);
  const builtIn =
    head === '__line__' || head === '__timestamp__' || head.startsWith('.') || /^["`]/.test(head);
  if (apply === undefined && (!builtIn || rest.length > 0 || piped !== undefined)) {
    throw new QueryError(`the template ${action} is not supported: "${head}" is not known there`);
  }
  if (apply === undefined) return compileTerm(head);
  const args = [...rest.map(compileTerm), ...(piped === undefined ? [] : [piped])];
  if (args.length !== Math.max(1, apply.length))
    throw new QueryError(`wrong number of arguments for ${head} in ${action}`);
  return scope => apply(...args.map(arg => arg(scope)));
}

function compileTerm(token: string): Part {
  if (/^["`]/.test(token)) {
    const text = unquote(token);
    return () => text;
  }
  if (token === '__line__') return scope => scope.line;
  if (token === '__timestamp__') return scope => scope.timestamp.toString();
  if (token.startsWith('.')) return scope => scope.label(token.slice(1));
  return () => token;
}
