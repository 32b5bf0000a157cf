import { confirm, password } from '@inquirer/prompts';
import { describeTarget, type SshQuestions } from '../../provision/ssh/target.ts';

/** Asks a person on the terminal. Servers are connected side by side, so the questions wait for each other. */
export function terminalQuestions(): SshQuestions {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(ask: () => Promise<T>): Promise<T> => {
    const answer = last.then(ask, ask);
    last = answer.catch(() => {});
    return answer;
  };
  const secret = (message: string): Promise<string | undefined> =>
    inTurn(async () => (await password({ message, mask: '*' })) || undefined);
  return {
    acceptHostKey: (target, print) =>
      inTurn(() =>
        confirm({
          message: `${describeTarget(target)} shows the host key ${print}. Believe it?`,
          default: false,
        }),
      ),
    passphrase: (keyFile) => secret(`Passphrase of ${keyFile}:`),
    password: (target) => secret(`Password of ${describeTarget(target)}:`),
    sudoPassword: (target) => secret(`Password for sudo on ${describeTarget(target)}:`),
  };
}
