import { SlipwayError } from '../../base/errors.ts';
import { faultAt, type Draft } from './draft.ts';

/** A person who answers, or a list of answers. A question's `validate` gives a sentence where the answer is wrong. */
export interface Asker {
  input(question: {
    message: string;
    default?: string;
    validate: (answer: string) => string | true;
  }): Promise<string>;
  select<T>(question: {
    message: string;
    choices: Array<{ name: string; value: T }>;
    default?: T;
  }): Promise<T>;
  confirm(question: { message: string; default: boolean }): Promise<boolean>;
  /** Says something between two questions. */
  say(line: string): void;
}

/** Answers every question with its default: for --yes. E_USAGE where a default is wrong, or there is none. */
export const defaultAsker = (say: (line: string) => void): Asker => ({
  input: async ({ message, default: answer = '', validate }) => {
    const verdict = validate(answer);
    if (verdict === true) return answer;
    throw new SlipwayError('E_USAGE', `${message} ${verdict}`, {
      hint: 'give the answer as a flag; slipway init --help lists them',
    });
  },
  select: async ({ choices, default: answer }) => {
    const choice = choices.find(({ value }) => value === answer) ?? choices[0];
    if (choice === undefined) throw new Error('a question without an answer');
    return choice.value;
  },
  confirm: async ({ default: answer }) => answer,
  say,
});

/**
 * Asks until the rules of the inventory are content with `path` (and `also`), and the question's own rule is. `set` puts the
 * answer into the draft.
 */
export async function askField(
  ask: Asker,
  draft: Draft,
  question: {
    message: string;
    path: string;
    also?: string[];
    rule?: (answer: string) => string | undefined;
    default: string;
    given?: string | undefined;
  },
  set: (answer: string) => void,
): Promise<void> {
  const validate = (answer: string): string | true => {
    set(answer);
    return faultAt(draft, question.path, ...(question.also ?? [])) ?? question.rule?.(answer) ?? true;
  };
  if (question.given !== undefined) {
    const verdict = validate(question.given);
    if (verdict === true) return;
    throw new SlipwayError('E_USAGE', `${question.path} "${question.given}": ${verdict}`, {
      hint: 'correct the flag',
    });
  }
  set(await ask.input({ message: question.message, default: question.default, validate }));
}
