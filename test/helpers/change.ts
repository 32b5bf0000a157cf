/** Sets (or, with undefined, removes) what a path such as `spec.containers[0].name` names. */
export function change(object: unknown, path: string, value: unknown): void {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== '');
  let at = object as Record<string, unknown>;
  for (const [position, key] of keys.entries()) {
    if (position === keys.length - 1) {
      if (value === undefined) delete at[key];
      else at[key] = value;
      return;
    }
    const next = keys[position + 1] ?? '';
    at[key] ??= /^[0-9]+$/.test(next) ? [] : {};
    at = at[key] as Record<string, unknown>;
  }
}
