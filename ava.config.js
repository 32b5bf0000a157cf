// Two groups share this file. Unit tests run side by side; those under test/lab and test/e2e need root and
// whole servers, so they run one file at a time and are given minutes instead of seconds.
const wantsServers =
  process.env.TEST_GROUP === 'servers' || process.argv.some((argument) => /test\/(lab|e2e)/.test(argument));

const servers = ['test/lab/**/*.test.ts', 'test/e2e/**/*.test.ts'];

export default {
  extensions: ['ts'],
  files: wantsServers ? servers : ['test/**/*.test.ts', ...servers.map((glob) => `!${glob}`)],
  concurrency: wantsServers ? 1 : 2,
  serial: wantsServers,
  timeout: wantsServers ? '15m' : '90s',
  workerThreads: false,
  environmentVariables: { NODE_NO_WARNINGS: '1' },
};
