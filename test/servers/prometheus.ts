// Prometheus, scraping one page of metrics every tenth of a second, and what checks such a page.
import { spawnSync } from 'node:child_process';
import type { ServerKind } from './server-process.ts';

/** @param page `host:port` */
export const prometheus = (page: string): ServerKind => ({
  install: 'apt-get install prometheus',
  programs: ['prometheus'],
  folders: ['/usr/bin'],
  command: ([server], directory, port) => {
    const config = `
global: { scrape_interval: 100ms }
scrape_configs: [ { job_name: test, static_configs: [ { targets: ["${page}"] } ] } ]`;
    const script = 'printf "%s" "$2" > "$1/prometheus.yml"; shift 2; exec "$@"';
    return [
      ...['sh', '-c', script, 'sh', directory, config, server!, `--config.file=${directory}/prometheus.yml`],
      ...[`--storage.tsdb.path=${directory}/data`, `--web.listen-address=127.0.0.1:${port}`],
      '--enable-feature=native-histograms,exemplar-storage',
    ];
  },
  ready: /Server is ready to receive web requests/,
  version: /version (\d+\.\d+)/,
});

export const promtool: ServerKind = { ...prometheus(''), programs: ['promtool'] };

/** What `promtool check metrics` has to say of a page; empty when nothing. */
export function complaints(page: string): string {
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  return stdout + stderr;
}
