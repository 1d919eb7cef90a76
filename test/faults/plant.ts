// Plants a bug: rewrites an expression of a source while it is loaded, and fails loudly when there is none to rewrite.
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A text that stands exactly once in a file of the repository, and what stands there instead. */
export interface Edit {
  /** From the repository's root. */
  readonly file: string;
  readonly text: string;
  readonly instead: string;
}

const root = resolve(import.meta.dirname, '../..');

/**
 * From now on in this thread, before the files are loaded. The function that it gives is to be called after that.
 * @throws Error from it when a file was not loaded since, so that the bug is not there
 */
export function plant(edits: readonly Edit[]): () => void {
  const missing = new Set(edits);
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const own = edits.filter(({ file }) => pathToFileURL(resolve(root, file)).href === url);
      if (own.length === 0) return loaded;
      for (const edit of own) missing.delete(edit);
      return {
        ...loaded,
        source: own.reduce(rewritten, Buffer.from(loaded.source as Uint8Array).toString()),
      };
    },
  });
  return () => {
    for (const { file } of missing)
      throw new Error(`${file} was loaded too early, or not at all, for a bug to be planted`);
  };
}

/** @throws Error unless the text to be replaced is there once */
export function rewritten(source: string, { file, text, instead }: Edit): string {
  const parts = source.split(text);
  if (parts.length === 2) return parts.join(instead);
  throw new Error(`${file} has ${parts.length - 1} times, not once, what a planted bug replaces: ${text}`);
}
