/*
 * mintmark flash plan: how a device is flashed and locked, as the command
 * lines of the vendor's tools. Nothing is run.
 */
#include <string.h>

#include "cli/flash_plan.h"
#include "cli/json_value.h"

enum { TEXT_MAX = 1 << 20 };

/* --- what comes of it --- */

static enum mm_error
write_otadata(const struct mm_flash_planning *p)
{
	if (p->order.otadata.path == NULL)
		return MM_OK;
	return mm_file_write(p->order.otadata.path, p->order.otadata.bytes,
	    0644, p->invocation->force);
}

static enum mm_error
write_script(const struct mm_flash_planning *p, const char *path)
{
	mm_auto(buffer) script = {0};

	mm_buffer_init(&script, TEXT_MAX);
	mm_plan_script(&p->order, &p->plan, &script);
	if (script.error != MM_OK)
		return script.error;
	return mm_file_write(
	    path, mm_buffer_span(&script), 0755, p->invocation->force);
}

static enum mm_error
print_text(const struct mm_flash_planning *p)
{
	mm_auto(buffer) text = {0};

	mm_buffer_init(&text, TEXT_MAX);
	mm_plan_text(&p->order, &p->plan, &text);
	if (text.error != MM_OK)
		return text.error;
	return mm_output_lines(p->invocation, "-", mm_buffer_span(&text));
}

static enum mm_error
write_all(const struct mm_flash_planning *p)
{
	const char *script = mm_option(p->invocation, "script");
	enum mm_error error = write_otadata(p);
	json_t *report;

	if (error == MM_OK && script != NULL)
		error = write_script(p, script);
	if (error != MM_OK)
		return error;
	if (!p->invocation->json)
		return print_text(p);
	report = mm_plan_json(&p->order, &p->plan);
	if (script != NULL)
		json_object_set_new(
		    report, "script", mm_json_text(mm_span_text(script)));
	mm_print(p->invocation, report);
	return MM_OK;
}

static enum mm_error
check_script(const struct mm_flash_planning *p)
{
	const char *script = mm_option(p->invocation, "script");

	if (script == NULL)
		return MM_OK;
	if (strcmp(script, "-") == 0)
		return mm_fail(MM_E_USAGE, "the script is a file, not stdout");
	return mm_output_check(p->invocation, script);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	mm_auto(flash_planning) p = {0};
	enum mm_error error;

	error = mm_flash_planning_read(invocation, &p);
	if (error == MM_OK)
		error = check_script(&p);
	if (error == MM_OK)
		error = mm_plan_make(&p.order, &p.arena, &p.plan);
	return error == MM_OK ? write_all(&p) : error;
}

static const struct mm_cli_option options[] = {
    {"chip", "CHIP", "esp32, esp32c3, ...", MM_OPTION_MUST},
    {"partitions", "TABLE", "the partition table, CSV or binary",
	MM_OPTION_MUST},
    {"table-offset", "N", "where the table lies (0x8000)", MM_OPTION_MAY},
    {"bootloader", "FILE", "flash it; under v1 the file with its digest",
	MM_OPTION_MAY},
    {"table", "FILE", "flash the table, binary", MM_OPTION_MAY},
    {"app", "FILE", "flash it: to factory, or else to ota_0", MM_OPTION_MAY},
    {"data", "NAME=FILE", "flash FILE to the partition NAME",
	MM_OPTION_REPEATED},
    {"otadata", "FILE", "make FILE, which boots --app, and flash it",
	MM_OPTION_MAY},
    {"flash-encryption", "KEY", "encrypt by this key; KEY,development",
	MM_OPTION_MAY},
    {"secure-boot", "DIGEST,...", "V2 by these key digests, or v1=KEY",
	MM_OPTION_MAY},
    {"sha384", NULL, "the digests are of keys of P-384", MM_OPTION_MAY},
    {"hmac-key", "FILE=N", "HMAC key for NVS, into BLOCK_KEYn", MM_OPTION_MAY},
    {"ds-key", "FILE=N", "HMAC key of the DS peripheral", MM_OPTION_MAY},
    {"keep-download", NULL, "leave the ROM's download mode open",
	MM_OPTION_MAY},
    {"port", "PORT", "the serial port", MM_OPTION_MAY},
    {"script", "FILE", "write the plan as a shell script", MM_OPTION_MAY},
};

const struct mm_command mm_flash_plan_command = {
    .noun = "flash",
    .verb = "plan",
    .operands = "",
    .summary = "the command lines that flash and lock a device",
    .about =
	"Nothing is run and nothing is burned: the plan has the lines of "
	"esptool and\nespefuse 5, checked against the files, in their order, "
	"each with why. Steps that\ncannot be undone are last and marked; "
	"the script skips them unless its argument\nis " MM_PLAN_WORD
	". Keys are only ever named. With --flash-encryption give the plain\n"
	"files: the plan encrypts them (`mintmark flash encrypt`).\n\n"
	"AWS Certificate Manager (ACM) cannot import a code-signing key that "
	"never leaves\nits token. AWS IoT OTA has custom code signing for it: "
	"sign with sha256-ecdsa;\n`mintmark release fetch` writes "
	"create-ota-update.json with the signature in it.",
    .results =
	"schema (1), chip, port (or null), table_offset, irreversible (how "
	"many steps),\nsteps (number, id, irreversible, command (words), line "
	"(for a shell), why),\nnotes, script (path, where one was asked for)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
