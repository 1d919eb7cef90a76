// A real browser for the page's test, where the machine has one.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Quiet ones: a browser under test asks nobody on the network for anything. */
const quiet = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The path of Chromium or Chrome; undefined where there is none. `CHROMIUM` names another one. */
export function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = [
    process.env.CHROMIUM ?? '',
    ...names.flatMap(name => folders.map(folder => join(folder, name))),
  ];
  return candidates.find(path => path !== '' && isExecutable(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export class Window {
  readonly page: Page;
  /** What the page complained about: uncaught errors, failed requests, messages of the console's error level. */
  readonly complaints: string[] = [];
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.on('pageerror', error => this.complaints.push(String(error)));
    page.on('console', message => message.type() === 'error' && this.complaints.push(message.text()));
    page.on(
      'response',
      response => response.status() >= 400 && this.complaints.push(`${response.status()} ${response.url()}`),
    );
  }

  static async open(executablePath: string): Promise<Window> {
    const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const browser = await chromium.launch({ executablePath, args: [...quiet, ...sandbox] });
    return new Window(browser, await browser.newPage({ viewport: { width: 1400, height: 860 } }));
  }

  /** Keeps a picture under `SCREENSHOTS`, when that names a folder. */
  async picture(name: string): Promise<void> {
    const folder = process.env.SCREENSHOTS;
    if (folder) await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}
