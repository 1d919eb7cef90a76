// Makes a directory and those above it.
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Resolves when the directory is there. Node's own `recursive` tries for ever where a parent that exists answers ENOENT,
 * as those in /proc do.
 * @throws Error of the system, with its code
 */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await isDirectory(path))) return;
    if (code !== 'ENOENT' || (await isDirectory(dirname(path)))) throw error;
    await makeDirectory(dirname(path), mode);
    await makeDirectory(path, mode);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false,
  );
}
