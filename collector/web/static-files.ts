// The page's files, read into memory once: what is not among them cannot be asked for.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import type { WebRequest, WebResponse } from './router.ts';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

interface StaticFile {
  readonly body: Uint8Array;
  readonly type: string;
  readonly etag: string;
}

export class StaticFiles {
  readonly #files: ReadonlyMap<string, StaticFile>;

  constructor(files: ReadonlyMap<string, StaticFile>) {
    this.#files = files;
  }

  /** All files of a folder that have a known type; none when there is no such folder. */
  static async load(folder: string): Promise<StaticFiles> {
    const files = new Map<string, StaticFile>();
    for (const path of await readdir(folder, { recursive: true }).catch(() => [])) {
      const type = types[extname(path)];
      if (type === undefined) continue;
      const body = await readFile(join(folder, path));
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      files.set(path.split(sep).join('/'), { body, type, etag });
    }
    return new StaticFiles(files);
  }

  /** The file at these segments, `index.html` for the root; undefined when there is none. */
  respond(segments: readonly string[], headers: WebRequest['headers']): WebResponse | undefined {
    const path = segments.join('/');
    const file = this.#files.get(path === '' ? 'index.html' : path);
    if (file === undefined) return undefined;
    const caching = { etag: file.etag, 'cache-control': 'no-cache' };
    if (headers['if-none-match'] === file.etag) return { status: 304, headers: caching, body: '' };
    return { status: 200, headers: { 'content-type': file.type, ...caching }, body: file.body };
  }
}
