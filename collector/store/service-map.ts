// What services do and whom they call: the operations of one, and how often spans of one have their parent in another.
import { type Database, Parameters } from './database.ts';
import { withinNanos } from './matching.ts';
import type { Snapshot } from './snapshot.ts';
import type { Operation, SelectOptions, ServiceCalls, TimeRange } from './store.ts';

const OPERATIONS_MAX = 10_000;
const SERVICE_CALLS_MAX = 10_000;

export async function operations(
  database: Database,
  snapshot: Snapshot,
  service: string,
  range: TimeRange,
  options: SelectOptions | undefined,
): Promise<Operation[]> {
  const parameters = new Parameters();
  const rows = await database.rows(
    `SELECT DISTINCT name, kind FROM ${snapshot.table('spans', range)}
     WHERE ${withinNanos('start', range, parameters)} AND scope IN
       (SELECT id FROM ${snapshot.table('scopes', range)} WHERE service = ${parameters.text(service)})
     ORDER BY name, kind LIMIT ${OPERATIONS_MAX}`,
    parameters,
    options?.signal,
  );
  return rows.map(([name, kind]) => ({ name: name as string, kind: kind as number }));
}

/** `reach` is the range in which the parents of spans in `range` are looked for. */
export async function serviceCalls(
  database: Database,
  snapshot: Snapshot,
  range: TimeRange,
  reach: TimeRange,
  options: SelectOptions | undefined,
): Promise<ServiceCalls[]> {
  const parameters = new Parameters();
  const rows = await database.rows(
    `WITH services AS (SELECT DISTINCT id, service FROM ${snapshot.table('scopes', reach)})
     SELECT caller.service, callee.service, count(*)
     FROM ${snapshot.table('spans', range)} s
     JOIN ${snapshot.table('spans', reach)} p ON p.trace_id = s.trace_id AND p.span_id = s.parent_span_id
     JOIN services callee ON callee.id = s.scope JOIN services caller ON caller.id = p.scope
     WHERE ${withinNanos('s.start', range, parameters)} AND caller.service <> callee.service
     GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ${SERVICE_CALLS_MAX}`,
    parameters,
    options?.signal,
  );
  return rows.map(([caller, callee, count]) => ({
    caller: caller as string,
    callee: callee as string,
    count: Number(count),
  }));
}
