#include "factory/plan_parts.h"

/* --- files --- */

static bool
is_encrypted(const struct mm_plan_making *m, const struct mm_plan_place *place)
{
	return m->order->flash_key.path != NULL && place->encrypted;
}

static const char *
encrypted_name(struct mm_plan_making *m, const struct mm_plan_place *place)
{
	return m->order->apart && place->file->path[0] == '/'
		   ? mm_plan_word(m, "./%.*s.encrypted", MM_SPAN(place->name))
		   : mm_plan_word(m, "%s.encrypted", place->file->path);
}

static void
encrypt_files(struct mm_plan_making *m)
{
	for (size_t i = 0; i < m->facts->place_count; i++) {
		const struct mm_plan_place *place = &m->facts->places[i];

		if (!is_encrypted(m, place))
			continue;
		m->word_count = 0;
		mm_plan_add(m, "mintmark");
		mm_plan_add(m, "flash");
		mm_plan_add(m, "encrypt");
		mm_plan_add(m, "--force");
		mm_plan_add(m, "--chip");
		mm_plan_add(m, m->order->chip->name);
		mm_plan_add(m, "--key");
		mm_plan_add_file(m, m->order->flash_key.path);
		mm_plan_add(m, "--address");
		mm_plan_add_number(m, place->offset);
		mm_plan_add(m, "-o");
		mm_plan_add(m, encrypted_name(m, place));
		mm_plan_add(m, place->file->path);
		mm_plan_end(m, "encrypt", false,
		    "what the chip will decrypt is encrypted here, for its "
		    "place in flash; signed files are encrypted whole");
	}
}

/* `keep` three times: esptool else writes into the bootloader's header, which
 * breaks its signature. No reset: a bootloader that is made for locks would
 * begin to lock by itself. */
static void
write_flash(struct mm_plan_making *m, bool locks)
{
	if (m->facts->place_count == 0)
		return;
	mm_plan_begin(m, "esptool");
	if (locks) {
		mm_plan_add(m, "--after");
		mm_plan_add(m, "no-reset");
	}
	mm_plan_add(m, "write-flash");
	mm_plan_add(m, "--flash-mode");
	mm_plan_add(m, "keep");
	mm_plan_add(m, "--flash-freq");
	mm_plan_add(m, "keep");
	mm_plan_add(m, "--flash-size");
	mm_plan_add(m, "keep");
	for (size_t i = 0; i < m->facts->place_count; i++) {
		const struct mm_plan_place *place = &m->facts->places[i];

		mm_plan_add_number(m, place->offset);
		mm_plan_add(m, is_encrypted(m, place) ? encrypted_name(m, place)
						      : place->file->path);
	}
	mm_plan_end(m, "flash", false,
	    locks ? "all files, headers kept as they are signed, while the "
		    "chip still takes them; without a reset, so that no "
		    "bootloader locks the chip by itself"
		  : "all files, headers kept as they are");
}

/* --- notes --- */

static void
note(struct mm_plan_making *m, const char *words)
{
	if (m->note_count == MM_PLAN_NOTES_MAX)
		mm_plan_fail(m, MM_E_BUG);
	else
		m->notes[m->note_count++] = words;
}

static void
add_notes(struct mm_plan_making *m)
{
	const struct mm_plan_order *order = m->order;

	if (order->flash_key.path != NULL)
		note(m, "Make a flash encryption key for each device, and "
			"erase the key and the .encrypted files here when the "
			"device is done.");
	if (order->flash_key.path != NULL || mm_plan_boots_securely(order))
		note(m, "Power must not fail while eFuses are burned. Try the "
			"plan on one device first: espefuse --virt "
			"--path-efuse-file FILE runs its commands on none.");
	if (order->flash_key.path == NULL && mm_plan_boots_securely(order) &&
	    order->v1_key.path == NULL)
		note(m, "Secure boot without flash encryption: behind RD_DIS "
			"this chip can never have it.");
	if (order->development)
		note(m, "Development mode protects nothing: do not ship it.");
	if ((order->chip->secure_boot & MM_CHIP_ECDSA_UNSAFE) != 0 &&
	    order->digest_count > 0)
		note(m, "The vendor calls this chip's ECDSA secure boot "
			"insecure for certain inputs: where it has RSA, take "
			"keys of RSA-3072.");
	if (mm_chip_locks(order->chip) == NULL)
		note(m, "This plan locks nothing: how this chip is locked is "
			"not known here. Do not ship it as a locked device.");
	if (order->digest_count > 0 && order->chip->digest_slots > 1)
		note(m, "SECURE_BOOT_AGGRESSIVE_REVOKE is left as it is: with "
			"it, one signature that fails revokes its key for "
			"good. Burn it only where that is wanted.");
	if (order->flash_key.path != NULL && !order->development &&
	    mm_span_is(mm_span_text(order->chip->name), "esp32h2"))
		note(m, "From chip revision 1.2 on ESP-IDF also sets "
			"XTS_DPA_PSEUDO_LEVEL 1; older chips do not have it, "
			"so it is not among the steps.");
	note(m, "AWS IoT OTA: AWS Certificate Manager (ACM) imports a "
		"code-signing key only together with its private key, and one "
		"that never leaves its token cannot be imported. AWS IoT has "
		"custom code signing for it: sign here with sha256-ecdsa, and "
		"`mintmark release fetch` writes create-ota-update.json, whose "
		"customCodeSigning holds the signature, the algorithms and "
		"the certificate's name on the device.");
}

/* --- the whole --- */

static enum mm_error
make(struct mm_plan_making *m, bool locks)
{
	encrypt_files(m);
	write_flash(m, locks);
	if (locks)
		mm_plan_lock(m);
	add_notes(m);
	if (m->error == MM_OK && m->step_count == 0)
		return mm_fail(MM_E_FORMAT,
		    "there is nothing to do: name files, or what is to be "
		    "locked");
	return m->error;
}

enum mm_error
mm_plan_make(const struct mm_plan_order *order, struct mm_arena *arena,
    struct mm_plan *out)
{
	struct mm_plan_facts facts = {.place_count = 0};
	struct mm_plan_making m = {
	    .order = order, .facts = &facts, .arena = arena};
	bool locks = order->hmac_key.path != NULL ||
		     order->ds_key.path != NULL ||
		     mm_plan_lock_reasons(order) != 0;
	enum mm_error error = mm_plan_keys(order, &facts);

	if (error == MM_OK)
		error = mm_plan_files(order, &facts);
	if (error != MM_OK)
		return error;
	m.steps = mm_arena_alloc(arena, MM_PLAN_STEPS_MAX * sizeof(*m.steps));
	m.notes = mm_arena_alloc(arena, MM_PLAN_NOTES_MAX * sizeof(*m.notes));
	if (m.steps == NULL || m.notes == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a plan");
	error = make(&m, locks);
	if (error != MM_OK)
		return error;
	*out =
	    (struct mm_plan){{m.steps, m.step_count}, {m.notes, m.note_count}};
	return MM_OK;
}
