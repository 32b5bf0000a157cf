import test from 'ava';
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts';
import { storageContract } from '../contract/storage.ts';

storageContract(test, 'memory', async () => new MemoryStorage());
