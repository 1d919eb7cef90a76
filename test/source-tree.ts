// Reads the source tree as a test sees it: files, their imports, their functions.
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { type Node, parse } from 'acorn';

export const root: string = resolve(import.meta.dirname, '..');

export interface SourceFile {
  /** Path from the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
}

export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Every TypeScript source below the given folders of the repository. */
export function sourceFiles(...folders: readonly string[]): SourceFile[] {
  return folders.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => /\.(ts|tsx|mjs)$/.test(name) && !/(^|\/)(node_modules|dist)\//.test(name))
      .map(name => readSource(join(folder, name)))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  return { path, text, lines: text.split('\n').length - 1 };
}

/** What a file imports: paths from the root for its own project, bare specifiers for the rest. Types count too. */
export function importsOf(file: { readonly path: string; readonly text: string }): string[] {
  const specifiers = [
    ...file.text.matchAll(/^\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm),
    ...file.text.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm),
    ...file.text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g),
    ...file.text.matchAll(/\bnew URL\(\s*[`'"](\.[^`'"]+)[`'"]/g),
  ].map(match => match[1]!);
  return specifiers.map(specifier =>
    specifier.startsWith('.') ? relative(root, resolve(root, dirname(file.path), specifier)) : specifier,
  );
}

type FunctionNode = Node & {
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } };
  readonly id?: { readonly name: string } | null;
};

/** Every function of a file with its length in lines, nested ones included in those around them. */
export function functionsOf(file: { readonly path: string; readonly text: string }): FunctionSize[] {
  const script = stripTypeScriptTypes(file.text);
  const tree = parse(script, {
    ecmaVersion: 'latest',
    sourceType: 'module',
    locations: true,
    allowHashBang: true,
  });
  const found: FunctionSize[] = [];
  visit(tree, (node, parent) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
    const { loc, id } = node as FunctionNode;
    const key = (parent as unknown as { key?: { name?: string } } | null)?.key?.name;
    found.push({
      name: id?.name ?? key ?? 'anonymous',
      line: loc.start.line,
      lines: loc.end.line - loc.start.line + 1,
    });
  });
  return found;
}

function visit(
  node: Node,
  each: (node: Node, parent: Node | null) => void,
  parent: Node | null = null,
): void {
  each(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child?.type === 'string') visit(child, each, node);
    }
  }
}
