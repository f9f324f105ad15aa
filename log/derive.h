/*
 * What the files of the tlog-tiles directory hold, as the store has it, and
 * whether what the store has fits together: each entry its leaf, each
 * subtree its two halves, each blob its SHA-256.
 */
#ifndef MM_DERIVE_H
#define MM_DERIVE_H

#include "log/put.h"
#include "log/store.h"
#include "log/tile.h"

/*
 * Whether the stored subtrees between a tile's hashes and the tile above are
 * made of them: MM_E_LOG_WRONG.
 */
enum mm_error
mm_derive_check(struct mm_store *store, const struct mm_tile *tile) mm_must_use;

/*
 * Makes sure that the directory has the tile, or the blob, which is never
 * held in memory. As mm_put_file(), and MM_E_LOG_WRONG where the store is
 * damaged: then nothing is written.
 */
enum mm_error mm_derive_put_tile(const char *directory, struct mm_store *store,
    const struct mm_tile *tile, enum mm_put_found *found) mm_must_use;
enum mm_error mm_derive_put_blob(const char *directory, struct mm_store *store,
    const struct mm_blob *blob, enum mm_put_found *found) mm_must_use;

/*
 * Whether they are there and have a size that they can have; nothing is read,
 * and a bundle's size is not known without its entries.
 */
bool mm_derive_has_tile(const char *directory, const struct mm_tile *tile);
bool mm_derive_has_blob(const char *directory, const struct mm_blob *blob);

#endif
