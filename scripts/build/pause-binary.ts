/**
 * The program of the sandbox container, written as machine code: no compiler, no libc, some 300 bytes. It is
 * the first process of a pod's namespaces: it blocks SIGINT, SIGTERM and SIGCHLD, waits for them with
 * rt_sigtimedwait, reaps children that were left to it, and ends with 0 on SIGINT or SIGTERM. Mirrors what
 * build/pause/linux/pause.c does upstream. (The kernel keeps a blocked signal even for process 1, so that
 * no handler is needed.)
 */
export type PauseArchitecture = 'amd64' | 'arm64';

const SIGCHLD = 17;

/** Bits 1, 14 and 16: SIGINT (2), SIGTERM (15), SIGCHLD (17). */
const SIGNAL_SET = 0x14002;

export function pauseBinary(architecture: PauseArchitecture): Buffer {
  return architecture === 'amd64' ? elf(62, amd64Code()) : elf(183, arm64Code());
}

function amd64Code(): Buffer {
  const start = [
    [0x68, ...littleEndian(SIGNAL_SET)], // push set: rsp points at it from here on
    [0xb8, ...littleEndian(14)], // mov eax, rt_sigprocmask
    [0x31, 0xff], // xor edi, edi: SIG_BLOCK
    [0x48, 0x89, 0xe6], // mov rsi, rsp
    [0x31, 0xd2], // xor edx, edx
    [0x41, 0xba, ...littleEndian(8)], // mov r10d, 8: bytes in a set
    [0x0f, 0x05], // syscall
  ].flat();
  const wait = [
    [0xb8, ...littleEndian(128)], // mov eax, rt_sigtimedwait
    [0x48, 0x89, 0xe7], // mov rdi, rsp
    [0x31, 0xf6], // xor esi, esi: no details
    [0x31, 0xd2], // xor edx, edx: for ever
    [0x41, 0xba, ...littleEndian(8)], // mov r10d, 8
    [0x0f, 0x05], // syscall
    [0x83, 0xf8, SIGCHLD], // cmp eax, SIGCHLD
  ].flat();
  const leave = [
    [0x31, 0xff], // xor edi, edi
    [0xb8, ...littleEndian(231)], // mov eax, exit_group
    [0x0f, 0x05], // syscall
  ].flat();
  const reap = [
    [0xb8, ...littleEndian(61)], // mov eax, wait4
    [0x48, 0x83, 0xcf, 0xff], // or rdi, -1: any child
    [0x31, 0xf6], // xor esi, esi
    [0xba, ...littleEndian(1)], // mov edx, WNOHANG
    [0x45, 0x31, 0xd2], // xor r10d, r10d
    [0x0f, 0x05], // syscall
    [0x85, 0xc0], // test eax, eax
  ].flat();
  const branch = [0x85, 0xc0]; // test eax, eax
  // Jumps are two bytes each: an opcode and the distance from its own end.
  const afterWait = 2 + branch.length + 2;
  return Buffer.from([
    ...start,
    ...wait,
    0x74,
    branch.length + 2 + leave.length, // je reap
    ...branch,
    0x7e,
    back(wait.length + afterWait), // jle wait: interrupted
    ...leave,
    ...reap,
    0x7f,
    back(reap.length + 2), // jg reap: there may be another
    0xeb,
    back(wait.length + afterWait + leave.length + reap.length + 4), // jmp wait
  ]);
}

const back = (distance: number): number => 256 - distance;

function arm64Code(): Buffer {
  const move = (register: number, value: number): number => 0xd2800000 | (value << 5) | register;
  const stackPointerTo = (register: number): number => 0x910003e0 | register;
  const call = (number: number): number[] => [move(8, number), 0xd4000001]; // svc #0
  const compare = (value: number): number => 0x7100001f | (value << 10); // cmp w0, #value
  const branch = (condition: number, distance: number): number =>
    0x54000000 | ((distance & 0x7ffff) << 5) | condition;
  const [EQUAL, GREATER, LESS_OR_EQUAL] = [0, 12, 13];
  const start = [
    move(0, SIGNAL_SET & 0xffff),
    0xf2a00000 | ((SIGNAL_SET >> 16) << 5), // movk x0, #1, lsl #16
    0xf81f0fe0, // str x0, [sp, #-16]!
    move(0, 0), // SIG_BLOCK
    stackPointerTo(1),
    move(2, 0),
    move(3, 8),
    ...call(135), // rt_sigprocmask
  ];
  const wait = [stackPointerTo(0), move(1, 0), move(2, 0), move(3, 8), ...call(137), compare(SIGCHLD)];
  const leave = [move(0, 0), ...call(94)]; // exit_group
  const reap = [
    0x92800000, // mov x0, #-1
    move(1, 0),
    move(2, 1), // WNOHANG
    move(3, 0),
    ...call(260), // wait4
    compare(0),
  ];
  // Distances are counted in instructions, from the jump itself.
  const words = [
    ...start,
    ...wait,
    branch(EQUAL, 3 + leave.length),
    compare(0),
    branch(LESS_OR_EQUAL, -(wait.length + 2)),
    ...leave,
    ...reap,
    branch(GREATER, -reap.length),
    0x14000000 | (-(wait.length + 3 + leave.length + reap.length + 1) & 0x3ffffff), // b wait
  ];
  const code = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => code.writeUInt32LE(word >>> 0, i * 4));
  return code;
}

function littleEndian(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}

/** A static ELF64 executable: one segment that is read and executed, and a stack that is not executable. */
function elf(machine: number, code: Buffer): Buffer {
  const HEADER = 64;
  const PROGRAM_HEADER = 56;
  const base = 0x400000n;
  const codeAt = HEADER + 2 * PROGRAM_HEADER;
  const file = Buffer.alloc(codeAt + code.length);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(file); // ELF, 64 bits, little endian, version 1
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(base + BigInt(codeAt), 24); // entry point
  file.writeBigUInt64LE(BigInt(HEADER), 32); // program headers follow at once
  file.writeUInt16LE(HEADER, 52);
  file.writeUInt16LE(PROGRAM_HEADER, 54);
  file.writeUInt16LE(2, 56);
  const load = HEADER;
  file.writeUInt32LE(1, load); // PT_LOAD
  file.writeUInt32LE(5, load + 4); // read, execute
  file.writeBigUInt64LE(base, load + 16);
  file.writeBigUInt64LE(base, load + 24);
  file.writeBigUInt64LE(BigInt(file.length), load + 32);
  file.writeBigUInt64LE(BigInt(file.length), load + 40);
  file.writeBigUInt64LE(0x10000n, load + 48); // the largest page that arm64 has
  const stack = HEADER + PROGRAM_HEADER;
  file.writeUInt32LE(0x6474e551, stack); // PT_GNU_STACK
  file.writeUInt32LE(6, stack + 4); // read, write
  file.writeBigUInt64LE(16n, stack + 48);
  code.copy(file, codeAt);
  return file;
}
