// The manifest: which files are the store, and which queue position they cover. Its replacement is the commit.
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Position } from '../component.ts';
import { type TableName, tableNames } from './tables.ts';

const fileSchema = z.strictObject({
  /** Relative to the store's directory: `spans/2026112208-17.parquet`. */
  name: z.string().regex(/^[a-z]+\/[a-z0-9-]+\.parquet$/),
  table: z.enum(tableNames as readonly [TableName, ...TableName[]]),
  partition: z.int(),
  /** How often its rows have been merged. */
  level: z.int().min(0),
  rows: z.int().min(0),
  bytes: z.int().min(0),
  /** An estimate of what its rows take in memory, in bytes; of a file from before it was noted: too much. */
  memory: z
    .int()
    .min(0)
    .default(2 ** 40),
  /** First and last time of its rows, and their latest arrival. Milliseconds since the Unix epoch. */
  from: z.number(),
  to: z.number(),
  arrived: z.number(),
});

const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** Grows with every generation and every file: names are never used twice. */
  sequence: z.int().min(0),
  /** All batches up to and including this queue position are in the files. */
  position: z
    .string()
    .regex(/^\d+$/)
    .transform(text => BigInt(text))
    .nullable(),
  files: z.array(fileSchema),
});

/** One Parquet file; it belongs to the store exactly when the manifest names it. */
export type StoreFile = Readonly<z.infer<typeof fileSchema>>;

export interface Manifest {
  readonly sequence: number;
  readonly position: Position | null;
  readonly files: readonly StoreFile[];
}

const manifestName = 'manifest.json';

/** @throws Error that names the path when there is a manifest that cannot be understood: it is never guessed at */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, manifestName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { sequence: 0, position: null, files: [] };
    throw error;
  }
  try {
    const { sequence, position, files } = manifestSchema.parse(JSON.parse(text));
    return { sequence, position, files };
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new Error(
      `${path} is no manifest of this store; move ${directory} away to start empty: ${reason}`,
      {
        cause: error,
      },
    );
  }
}

/** Replaces the manifest atomically; resolves when the new one survives a crash of the machine. */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const path = join(directory, manifestName);
  const temporary = `${path}.new`;
  const position = manifest.position === null ? null : manifest.position.toString();
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify({ version: 1, ...manifest, position }));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncPath(directory);
}

/** Puts a file's contents, or a directory's entries, on stable storage. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
