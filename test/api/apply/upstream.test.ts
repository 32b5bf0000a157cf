import test from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { movableClock, readScenarios, replay } from '../../helpers/scenarios.ts';

const clock = movableClock();
let plane: TestControlPlane;
let api: RawApi;

test.before(async () => {
  plane = await startControlPlane({ clock });
  api = new RawApi(plane);
  await api.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
test.after.always(async () => {
  api.close();
  await plane.close();
});

for (const scenario of [...readScenarios('apply'), ...readScenarios('versions')]) {
  // Owners are sorted by the second in which they wrote.
  test.serial(scenario.title, (t) => replay(t, api, scenario, () => clock.move(1100)));
}
