#include "factory/plan_parts.h"

enum {
	FIRST_CRYPT_CNT = 127, /* all bits: encryption cannot be turned off */
	CRYPT_CNT = 7,
	WIDE_KEY = 64,
	DERIVED_KEY = 16 /* the ESP32-C2's half block */
};

static void
begin_burn(struct mm_plan_making *m, const char *command)
{
	mm_plan_begin(m, "espefuse");
	mm_plan_add(m, command);
}

static void
burn_bit(struct mm_plan_making *m, const char *id, const char *bit,
    const char *value, const char *why)
{
	begin_burn(m, "burn-efuse");
	mm_plan_add(m, bit);
	mm_plan_add(m, value);
	mm_plan_end(m, id, true, why);
}

static void
write_protect(struct mm_plan_making *m, const char *id, const char *field,
    const char *why)
{
	begin_burn(m, "write-protect-efuse");
	mm_plan_add(m, field);
	mm_plan_end(m, id, true, why);
}

/* --- keys --- */

static void
burn_hmac(struct mm_plan_making *m, const struct mm_plan_key *key,
    const char *id, const char *purpose, const char *why)
{
	if (key->path == NULL)
		return;
	begin_burn(m, "burn-key");
	mm_plan_add(m,
	    mm_plan_word(m, "BLOCK_KEY%llu", (unsigned long long)key->block));
	mm_plan_add_file(m, key->path);
	mm_plan_add(m, purpose);
	mm_plan_end(m, id, true, why);
}

static bool
shares_block(const struct mm_plan_making *m)
{
	return mm_chip_locks(m->order->chip)->key_blocks == 1;
}

/* The ESP32-C2's one block: both halves in one go, for espefuse protects it
 * behind the first. */
static void
burn_shared(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;
	bool derived = order->flash_key.size == DERIVED_KEY;

	begin_burn(m, "burn-key");
	if (order->flash_key.path != NULL) {
		mm_plan_add(m, "BLOCK_KEY0");
		mm_plan_add_file(m, order->flash_key.path);
		mm_plan_add(
		    m, derived ? "XTS_AES_128_KEY_DERIVED_FROM_128_EFUSE_BITS"
			       : "XTS_AES_128_KEY");
	}
	if (order->digest_count > 0) {
		mm_plan_add(m, "BLOCK_KEY0");
		mm_plan_add_file(m, order->digests[0].path);
		mm_plan_add(m, "SECURE_BOOT_DIGEST");
	}
	if (order->flash_key.path == NULL)
		mm_plan_end(m, "burn-digest", true,
		    "the digest of the key that signs: its first 16 bytes, in "
		    "the upper half of the only key block");
	else if (order->digest_count == 0)
		mm_plan_end(m, "burn-flash-key", true,
		    "the flash encryption key; nobody can read it back, and "
		    "the only key block is used up");
	else
		mm_plan_end(m, "burn-flash-key", true,
		    "the flash encryption key and the digest share the only "
		    "key block, so both are burned in one go");
}

static void
burn_flash_key(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;

	if (order->flash_key.path == NULL)
		return;
	begin_burn(m, "burn-key");
	mm_plan_add(
	    m, mm_chip_is_first(order->chip)
		   ? "flash_encryption"
		   : mm_plan_word(m, "BLOCK_KEY%d", m->facts->flash_block));
	mm_plan_add_file(m, order->flash_key.path);
	if (!mm_chip_is_first(order->chip))
		mm_plan_add(m, order->flash_key.size == WIDE_KEY
				   ? "XTS_AES_256_KEY"
				   : "XTS_AES_128_KEY");
	mm_plan_end(m, "burn-flash-key", true,
	    order->flash_key.size == WIDE_KEY
		? "the flash encryption key, its halves into this key block "
		  "and the next; nobody can read it back"
		: "the flash encryption key; nobody can read it back. Before "
		  "secure boot, after which no key can be read-protected");
}

/* All that must be read-protected, before secure boot locks RD_DIS. */
static void
burn_secrets(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;

	burn_hmac(m, &order->hmac_key, "burn-hmac-key", "HMAC_UP",
	    "the HMAC key from which the device derives its NVS keys; nobody "
	    "can read it back");
	burn_hmac(m, &order->ds_key, "burn-ds-key",
	    "HMAC_DOWN_DIGITAL_SIGNATURE",
	    "the key that decrypts the private key of the DS peripheral; "
	    "nobody can read it back");
	if (shares_block(m))
		burn_shared(m);
	else
		burn_flash_key(m);
	if (order->v1_key.path == NULL)
		return;
	begin_burn(m, "burn-key");
	mm_plan_add(m, "secure_boot_v1");
	mm_plan_add_file(m, order->v1_key.path);
	mm_plan_end(m, "burn-boot-key", true,
	    "the key by which the ROM checks the bootloader's digest; nobody "
	    "can read it back");
}

static void
burn_digests(struct mm_plan_making *m)
{
	static const char *const purposes[] = {"SECURE_BOOT_DIGEST0",
	    "SECURE_BOOT_DIGEST1", "SECURE_BOOT_DIGEST2"};
	const struct mm_plan_order *order = m->order;
	bool first = mm_chip_is_first(order->chip);

	for (size_t i = 0; i < order->digest_count; i++) {
		begin_burn(m, "burn-key");
		mm_plan_add(m, first ? "secure_boot_v2"
				     : mm_plan_word(m, "BLOCK_KEY%d",
					   m->facts->digest_blocks[i]));
		mm_plan_add_file(m, order->digests[i].path);
		if (!first)
			mm_plan_add(m, purposes[i]);
		mm_plan_end(m, "burn-digest", true,
		    "the digest of a key that signs; it stays readable, for "
		    "the ROM compares it");
	}
}

/* --- locks --- */

static void
turn_on_encryption(struct mm_plan_making *m)
{
	bool first = mm_chip_is_first(m->order->chip);
	unsigned count =
	    m->order->development ? 1 : (first ? FIRST_CRYPT_CNT : CRYPT_CNT);

	if (m->order->flash_key.path == NULL)
		return;
	burn_bit(m, "enable-encryption",
	    first ? "FLASH_CRYPT_CNT" : "SPI_BOOT_CRYPT_CNT",
	    mm_plan_word(m, "%u", count),
	    m->order->development
		? "flash encryption on, for development: it can be turned off "
		  "again once"
		: "flash encryption on for good: all bits of the counter");
	if (first)
		burn_bit(m, "crypt-config", "FLASH_CRYPT_CONFIG", "0xF",
		    "all of the key takes in the address, as files are "
		    "encrypted here");
}

unsigned
mm_plan_lock_reasons(const struct mm_plan_order *order)
{
	unsigned reasons = 0;

	if (order->flash_key.path != NULL)
		reasons |= MM_LOCK_ENCRYPTION;
	if (order->flash_key.path != NULL && !order->development)
		reasons |= MM_LOCK_RELEASE;
	if (mm_plan_boots_securely(order))
		reasons |= MM_LOCK_BOOT;
	return reasons;
}

static void
close_doors(struct mm_plan_making *m)
{
	const struct mm_lock_bit *bits = mm_chip_locks(m->order->chip)->bits;
	unsigned reasons = mm_plan_lock_reasons(m->order);
	size_t count = 0;

	begin_burn(m, "burn-efuse");
	for (; bits->name != NULL; bits++) {
		if ((bits->when & reasons) == 0)
			continue;
		mm_plan_add(m, bits->name);
		mm_plan_add(m, "1");
		count++;
	}
	if (count > 0)
		mm_plan_end(m, "close-doors", true,
		    (reasons & (MM_LOCK_RELEASE | MM_LOCK_BOOT)) != 0
			? "JTAG off, and whatever else leads around encryption "
			  "or secure boot"
			: "what leads around encryption in download mode; JTAG "
			  "stays, for development");
}

static void
set_values(struct mm_plan_making *m)
{
	const struct mm_lock_value *value =
	    mm_chip_locks(m->order->chip)->values;
	unsigned reasons = mm_plan_lock_reasons(m->order);
	size_t count = 0;

	begin_burn(m, "burn-efuse");
	for (; value != NULL && value->name != NULL; value++) {
		if ((value->when & reasons) == 0)
			continue;
		mm_plan_add(m, value->name);
		mm_plan_add(m, value->value);
		count++;
	}
	if (count > 0)
		mm_plan_end(m, "harden", true,
		    "what the vendor's own bootloader would set besides");
}

/* What can be protected before SECURE_BOOT_EN, and what only behind it. */
static void
protect(struct mm_plan_making *m, const char *id, const char *field,
    const char *why)
{
	unsigned reasons = mm_plan_lock_reasons(m->order);

	if (field != NULL && (reasons & MM_LOCK_RELEASE) != 0)
		write_protect(m, id, field, why);
}

static void
protect_doors(struct mm_plan_making *m)
{
	protect(m, "protect-doors", mm_chip_locks(m->order->chip)->doors,
	    "these bits cannot be changed any more; one of them, set by "
	    "accident, would end the chip");
}

static void
seal_encryption(struct mm_plan_making *m)
{
	protect(m, "seal-encryption", mm_chip_locks(m->order->chip)->sealed,
	    "the key's length cannot be changed any more, nor whether "
	    "encryption and secure boot are on: before this, ESP-IDF takes "
	    "the chip for one under development");
}

static void
boot_v1(struct mm_plan_making *m)
{
	burn_bit(m, "enable-secure-boot", "ABS_DONE_0", "1",
	    "Secure Boot V1 on: the ROM boots no other bootloader");
}

static void
revoke_unused(struct mm_plan_making *m)
{
	static const char *const slots[] = {"SECURE_BOOT_KEY_REVOKE0",
	    "SECURE_BOOT_KEY_REVOKE1", "SECURE_BOOT_KEY_REVOKE2"};
	const struct mm_plan_order *order = m->order;

	if (order->chip->digest_slots == 1 ||
	    order->digest_count == order->chip->digest_slots)
		return;
	begin_burn(m, "burn-efuse");
	for (size_t i = order->digest_count; i < MM_COUNT(slots); i++) {
		mm_plan_add(m, slots[i]);
		mm_plan_add(m, "1");
	}
	mm_plan_end(m, "revoke-unused", true,
	    "nobody can put a key of his own into an unused slot");
}

static void
boot_v2(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;

	if (!shares_block(m))
		burn_digests(m);
	if (order->sha384)
		burn_bit(m, "sha384", "SECURE_BOOT_SHA384_EN", "1",
		    "keys of P-384 sign SHA-384");
	burn_bit(m, "enable-secure-boot",
	    mm_chip_is_first(order->chip) ? "ABS_DONE_1" : "SECURE_BOOT_EN",
	    "1",
	    mm_chip_is_first(order->chip)
		? "Secure Boot V2 on: the ROM boots nothing that is not "
		  "signed (chip revision 3.0 and later)"
		: "Secure Boot V2 on: the ROM boots nothing that is not "
		  "signed");
	revoke_unused(m);
	write_protect(m, "protect-read-disable", "RD_DIS",
	    "nobody can make the digests unreadable, which would end the "
	    "chip; no key can be read-protected any more");
}

static void
close_download(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;
	bool first = mm_chip_is_first(order->chip);

	/* V1 chips may be too old for the bit. */
	if (order->keep_download || order->development ||
	    order->v1_key.path != NULL)
		return;
	burn_bit(m, "close-download",
	    first ? "UART_DOWNLOAD_DIS" : "ENABLE_SECURITY_DOWNLOAD", "1",
	    first ? "no download mode any more; espefuse cannot connect "
		    "behind this, so it is the last (chip revision 3.0 and "
		    "later)"
		  : "download mode cannot read or run anything any more; "
		    "espefuse cannot connect behind this, so it is the last");
}

void
mm_plan_lock(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;
	bool v1 = order->v1_key.path != NULL;

	burn_secrets(m);
	turn_on_encryption(m);
	if (v1)
		boot_v1(m);
	if (mm_plan_lock_reasons(order) != 0) {
		close_doors(m);
		set_values(m);
		protect_doors(m);
	}
	if (order->digest_count > 0)
		boot_v2(m);
	seal_encryption(m);
	if (mm_plan_lock_reasons(order) != 0)
		close_download(m);
}
