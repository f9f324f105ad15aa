#include "factory/plan_parts.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

enum {
	DIGEST = 32,
	HMAC_KEY = 32,
	CODED_KEY = 24, /* under the first ESP32's 3/4 coding scheme */
	SHARED_KEY = 16,
	WIDE_KEY = 64,
	BLOCKS_MAX = 8
};

static bool
locks_anything(const struct mm_plan_order *order)
{
	return order->flash_key.path != NULL || mm_plan_boots_securely(order) ||
	       order->hmac_key.path != NULL || order->ds_key.path != NULL;
}

/* --- Secure Boot --- */

static enum mm_error
check_v1(const struct mm_plan_order *order)
{
	const struct mm_plan_key *key = &order->v1_key;

	if (key->path == NULL)
		return MM_OK;
	if ((order->chip->secure_boot & MM_CHIP_V1) == 0)
		return wrong("%s has no Secure Boot V1; give the digests of "
			     "public keys for V2",
		    order->chip->name);
	if (order->digest_count > 0)
		return wrong("a chip has Secure Boot V1 or V2, not both");
	if (key->size != 32 && key->size != CODED_KEY)
		return mm_fail(MM_E_RANGE,
		    "%s has %zu bytes; a key of Secure Boot V1 has 32, or 24 "
		    "under the 3/4 coding scheme",
		    key->path, key->size);
	if (order->flash_key.path != NULL && order->flash_key.size != key->size)
		return wrong("%s has %zu bytes and %s %zu: a chip's coding "
			     "scheme is one for both",
		    order->flash_key.path, order->flash_key.size, key->path,
		    key->size);
	return MM_OK;
}

static enum mm_error
check_digest(const struct mm_plan_order *order, size_t at)
{
	const struct mm_plan_file *file = &order->digests[at];
	uint8_t kept = order->chip->digest_size;

	if (file->bytes.size != DIGEST && file->bytes.size != kept)
		return mm_fail(MM_E_RANGE,
		    "%s has %zu bytes; a key digest has %d (`mintmark image "
		    "digest` writes it)",
		    file->path, file->bytes.size, DIGEST);
	for (size_t i = 0; i < at; i++)
		if (mm_span_equal(file->bytes, order->digests[i].bytes))
			return wrong("%s and %s are the same digest",
			    order->digests[i].path, file->path);
	return MM_OK;
}

static enum mm_error
check_v2(const struct mm_plan_order *order)
{
	const struct mm_chip *chip = order->chip;
	const struct mm_chip_locks *locks = mm_chip_locks(chip);
	enum mm_error error = MM_OK;

	if (order->digest_count == 0)
		return order->sha384
			   ? wrong("SHA-384 is secure boot's, and no digest "
				   "is given")
			   : MM_OK;
	if ((chip->secure_boot & (MM_CHIP_V2_RSA | MM_CHIP_V2_ECDSA)) == 0)
		return wrong("%s has no Secure Boot V2", chip->name);
	if (order->digest_count > chip->digest_slots)
		return mm_fail(MM_E_RANGE,
		    "%zu key digests are given; %s has room for %u",
		    order->digest_count, chip->name, chip->digest_slots);
	if (order->sha384 && !locks->sha384)
		return wrong("%s cannot boot by keys of P-384", chip->name);
	for (size_t i = 0; i < order->digest_count && error == MM_OK; i++)
		error = check_digest(order, i);
	return error;
}

/* --- flash encryption --- */

/* One block of an ESP32-C2 holds the flash key's half and the digest's; under
 * 3/4 coding a first ESP32's block has no room for a digest. */
static enum mm_error
check_shared(const struct mm_plan_order *order)
{
	const struct mm_plan_key *key = &order->flash_key;

	if (order->digest_count == 0)
		return MM_OK;
	if (mm_chip_locks(order->chip)->key_blocks == 1 &&
	    key->size != SHARED_KEY)
		return wrong("%s has %zu bytes and fills the one key block of "
			     "%s, where secure boot's digest must be too: "
			     "take a key of 16 bytes (`flash encrypt "
			     "--key-size 16`; flash-key-size = 16)",
		    key->path, key->size, order->chip->name);
	if (mm_chip_is_first(order->chip) && key->size == CODED_KEY)
		return wrong("%s has 24 bytes, so the chip's blocks have the "
			     "3/4 coding scheme, and no room for a digest of "
			     "Secure Boot V2",
		    key->path);
	return MM_OK;
}

static enum mm_error
check_flash_key(const struct mm_plan_order *order)
{
	const struct mm_plan_key *key = &order->flash_key;
	enum mm_error error;

	if (key->path == NULL)
		return order->development ? wrong("development is flash "
						  "encryption's, and no key "
						  "is given")
					  : MM_OK;
	error = mm_chip_flash_key_check(order->chip, key->size);
	return error == MM_OK
		   ? check_shared(order)
		   : mm_fail(error, "%s: %s", key->path, mm_why(error));
}

/* --- key blocks --- */

static enum mm_error
take_hmac(const struct mm_plan_order *order, const struct mm_plan_key *key,
    bool taken[BLOCKS_MAX])
{
	const struct mm_chip_locks *locks = mm_chip_locks(order->chip);

	if (key->path == NULL)
		return MM_OK;
	if (!locks->hmac)
		return wrong("%s has no HMAC peripheral for %s",
		    order->chip->name, key->path);
	if (key->size != HMAC_KEY)
		return mm_fail(MM_E_RANGE,
		    "%s has %zu bytes; an HMAC key has %d", key->path,
		    key->size, HMAC_KEY);
	if (key->block >= locks->key_blocks)
		return mm_fail(MM_E_RANGE,
		    "there is no BLOCK_KEY%llu in %s; its blocks are 0 to %u",
		    (unsigned long long)key->block, order->chip->name,
		    locks->key_blocks - 1U);
	if (taken[key->block])
		return wrong("two keys are to go into BLOCK_KEY%llu",
		    (unsigned long long)key->block);
	taken[key->block] = true;
	return MM_OK;
}

/* The first of `count` free blocks in a row, below `end`. */
static int
take_blocks(bool taken[BLOCKS_MAX], unsigned count, unsigned end)
{
	for (unsigned at = 0; at + count <= end; at++) {
		unsigned free = 0;

		while (free < count && !taken[at + free])
			free++;
		if (free < count)
			continue;
		while (free > 0)
			taken[at + --free] = true;
		return (int)at;
	}
	return MM_PLAN_NO_BLOCK;
}

static enum mm_error
no_block(const struct mm_plan_order *order, const char *what)
{
	return wrong("%s has no key block left for %s: put HMAC keys into "
		     "other blocks, or take fewer digests",
	    order->chip->name, what);
}

/* espefuse puts the second half of an AES-256 key into the next free block:
 * so the one behind its first must be free. */
static enum mm_error
place_keys(const struct mm_plan_order *order, bool taken[BLOCKS_MAX],
    struct mm_plan_facts *facts)
{
	const struct mm_chip_locks *locks = mm_chip_locks(order->chip);
	unsigned end = locks->key_blocks;

	if (order->flash_key.path != NULL)
		facts->flash_block = take_blocks(taken,
		    order->flash_key.size == WIDE_KEY ? 2 : 1,
		    locks->last_block_faulty ? end - 1 : end);
	if (order->flash_key.path != NULL &&
	    facts->flash_block == MM_PLAN_NO_BLOCK)
		return no_block(order, "the flash encryption key");
	for (size_t i = 0; i < order->digest_count; i++) {
		facts->digest_blocks[i] = take_blocks(taken, 1, end);
		if (facts->digest_blocks[i] == MM_PLAN_NO_BLOCK)
			return no_block(order, "a key digest");
	}
	return MM_OK;
}

static enum mm_error
find_blocks(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	const struct mm_chip_locks *locks = mm_chip_locks(order->chip);
	bool taken[BLOCKS_MAX] = {false};
	enum mm_error error = take_hmac(order, &order->hmac_key, taken);

	if (error == MM_OK)
		error = take_hmac(order, &order->ds_key, taken);
	/* Named by use (ESP32), or one for both (C2). */
	if (error != MM_OK || locks->key_blocks <= 1)
		return error;
	return place_keys(order, taken, facts);
}

enum mm_error
mm_plan_keys(const struct mm_plan_order *order, struct mm_plan_facts *facts)
{
	enum mm_error error;

	if (!locks_anything(order))
		return order->development || order->sha384
			   ? wrong("there is nothing to lock, so leave out "
				   "development and SHA-384")
			   : MM_OK;
	if (mm_chip_locks(order->chip) == NULL)
		return wrong("how %s is locked is not known here: plan its "
			     "files alone, without keys and digests, and do "
			     "not ship it as a locked device",
		    order->chip->name);
	error = check_v1(order);
	if (error == MM_OK)
		error = check_v2(order);
	if (error == MM_OK)
		error = check_flash_key(order);
	return error == MM_OK ? find_blocks(order, facts) : error;
}
