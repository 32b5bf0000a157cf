import type { Random } from './registry-env.ts';

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_BASE_LENGTH = 63 - SUFFIX_LENGTH;

/** The base and five characters without vowels, as apiserver pkg/storage/names/generate.go makes them. */
export function generatedName(base: string, random: Random): string {
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += ALPHABET[random.below(ALPHABET.length)];
  return base.slice(0, MAX_BASE_LENGTH) + suffix;
}
