/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a pinned instance must know of itself that packets need not: written and
 * read by user space alone. */
#ifndef CILIUMCORE_ABI_JOURNAL_H_
#define CILIUMCORE_ABI_JOURNAL_H_

#include "ciliumcore/abi/base.h"

#define CC_JOURNAL_MAGIC 0x6e72756f6a636304ull /* "\4ccjourn": the last digit is the version */

/* Map cc_journal: array, memory-mapped. Entry 0 is the header; the others are
 * two banks of equal size, of which one is in use. A bank is a sequence of
 * records that begin at multiples of 8 bytes:
 *
 *   {bytes:32, epoch:32, kind:8, pad:24, key bytes:32, value bytes:32, pad:32}
 *   key value
 *
 * A record says what its key means from its epoch on, and no value that it means
 * nothing any more. `head` is stored whole when the records before it are. */
struct cc_journal_line {
	__u64 word[8];
};
CC_ABI_SIZE(struct cc_journal_line, 64);

enum cc_journal_header {
	CC_JOURNAL_WORD_MAGIC = 0,
	CC_JOURNAL_WORD_HEAD = 1,  /* bank << 32 | its bytes in use */
	CC_JOURNAL_WORD_BUILD = 2, /* which programs are pinned, with which configuration */
};

#endif /* CILIUMCORE_ABI_JOURNAL_H_ */
