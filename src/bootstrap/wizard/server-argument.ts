import { SlipwayError } from '../../base/errors.ts';
import type { DraftLogin, Role } from './draft.ts';

export interface ServerArgument {
  host: string;
  login: DraftLogin;
  /** Absent: the wizard decides. */
  roles?: Role[];
  name?: string;
}

const ROLES: Record<string, Role> = {
  'control-plane': 'control-plane',
  cp: 'control-plane',
  worker: 'worker',
};

/** Reads '[name/][user@]host[:port][=role[,role]]'. E_USAGE where it is none. */
export function parseServerArgument(text: string): ServerArgument {
  const wrong = (why: string): SlipwayError =>
    new SlipwayError('E_USAGE', `the server "${text}" ${why}`, {
      hint: 'the form is [name/][user@]host[:port][=role,role], for instance cp1/admin@10.0.0.1:22=control-plane,worker',
    });
  const match = /^(?:([^/@=]+)\/)?(?:([^/@=:]+)@)?([^/@=:]+)(?::(\d+))?(?:=(.*))?$/.exec(text.trim());
  if (!match) throw wrong('cannot be read');
  const [, name, user, host = '', port, roleList] = match;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) throw wrong(`has the port ${port}`);
  const roles = roleList?.split(',').map((word) => {
    const role = ROLES[word.trim()];
    if (role === undefined) throw wrong(`has the role "${word}": there are control-plane and worker`);
    return role;
  });
  return {
    host,
    login: {
      ...(user === undefined ? {} : { user }),
      ...(port === undefined || port === '22' ? {} : { port: Number(port) }),
    },
    ...(roles === undefined ? {} : { roles }),
    ...(name === undefined ? {} : { name }),
  };
}
