// Preloaded: `tricord` is the one of the checkout that BENCH_AGENT_OF names.
const { createRequire, registerHooks } = require('node:module');
const { join } = require('node:path');

const there = createRequire(join(process.env.BENCH_AGENT_OF, 'package.json'));
registerHooks({
  resolve: (specifier, context, next) =>
    next(/^tricord(\/|$)/.test(specifier) ? there.resolve(specifier) : specifier, context),
});
