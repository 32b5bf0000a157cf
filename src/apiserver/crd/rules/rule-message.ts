import type { Activation, Program } from '../../../cel/frame.ts';
import { CostExceeded, EvaluationError } from '../../../cel/issues.ts';
import { MAX_MESSAGE_BYTES, PER_CALL_LIMIT } from '../../cel/base-environment.ts';

/** The message of a rule that does not hold; undefined `text` leaves the rule's own message. */
interface MessageAnswer {
  readonly text: string | undefined;
  readonly cost: number;
  /** Said instead, and no more rules are evaluated. */
  readonly fatal?: string;
}

export function evaluateMessage(
  program: Program,
  expression: string,
  activation: Activation,
  budget: number,
): MessageAnswer {
  try {
    const { value, cost } = program.evaluate(activation, PER_CALL_LIMIT);
    if (cost > budget) {
      const fatal =
        'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run';
      return { text: undefined, cost, fatal };
    }
    const text = typeof value === 'string' ? value.trim() : '';
    const isUsable = text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= MAX_MESSAGE_BYTES;
    return { text: isUsable ? text : undefined, cost };
  } catch (error) {
    if (error instanceof CostExceeded) {
      const fatal = `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${JSON.stringify(expression)}`;
      return { text: undefined, cost: PER_CALL_LIMIT, fatal };
    }
    if (error instanceof EvaluationError) return { text: undefined, cost: 0 };
    throw error;
  }
}
