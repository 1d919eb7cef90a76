// The stock table and the two questions that are asked of it.
import { DatabaseSync } from 'node:sqlite';

export interface Item {
  readonly sku: string;
  readonly name: string;
  readonly price: number;
  readonly available: number;
}

export interface Stock {
  find(sku: string): Item | undefined;
  /** Takes `quantity` of a product; undefined when there is not enough, and then nothing is taken. */
  reserve(sku: string, quantity: number): Item | undefined;
}

const products: readonly (readonly [sku: string, name: string, price: number, available: number])[] = [
  ['brass-compass', 'Brass compass', 45, 1_000_000],
  ['field-notebook', 'Field notebook', 12, 1_000_000],
  ['antique-globe', 'Antique globe', 890, 1_000_000],
  ['sea-chart', 'Sea chart of 1794', 120, 3],
];

export function openStock(path: string): Stock {
  const database = new DatabaseSync(path);
  database.exec(
    'create table if not exists stock (sku text primary key, name text, price real, available integer)',
  );
  const insert = database.prepare('insert or replace into stock values (?, ?, ?, ?)');
  for (const product of products) insert.run(...product);
  const find = database.prepare('select sku, name, price, available from stock where sku = ?');
  const take = database.prepare(
    'update stock set available = available - $quantity where sku = $sku and available >= $quantity returning *',
  );
  return {
    find: sku => find.get(sku) as Item | undefined,
    reserve: (sku, quantity) => take.get({ $sku: sku, $quantity: quantity }) as Item | undefined,
  };
}
