/*
 * mintmark image mcuboot: a raw payload becomes an MCUboot image, ready to be
 * submitted.
 */
#include <string.h>

#include "cli/command.h"
#include "cli/json_value.h"
#include "signer/mcuboot_make.h"

enum { IMAGE_MAX = 256 << 20, ARENA = 1 << 20, USUAL_ALIGN = 8 };

/* What an option's text was no good for, with the option's name. */
static enum mm_error
blame(const char *name, enum mm_error error)
{
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(MM_E_USAGE, "--%s: %s", name, mm_why(error));
}

static enum mm_error
read_numbers(const struct mm_invocation *invocation,
    struct mm_mcuboot_making *out, uint64_t *erased)
{
	const struct {
		const char *name;
		uint64_t max, *out;
	} numbers[] = {
	    {"header-size", UINT16_MAX, &out->header},
	    {"slot-size", UINT32_MAX, &out->slot},
	    {"align", UINT8_MAX, &out->align},
	    {"load-address", UINT32_MAX, &out->load_address},
	    {"erased", UINT8_MAX, erased},
	};
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < MM_COUNT(numbers) && error == MM_OK; i++) {
		const char *text = mm_option(invocation, numbers[i].name);

		if (text != NULL)
			error = blame(numbers[i].name,
			    mm_mcuboot_number_read(mm_span_text(text),
				numbers[i].max, numbers[i].out));
	}
	return error;
}

/* Behind the version, of which "auto" is made. */
static enum mm_error
read_counter(
    const struct mm_invocation *invocation, struct mm_mcuboot_making *out)
{
	const char *text = mm_option(invocation, "security-counter");

	out->counted = text != NULL;
	if (text == NULL)
		return MM_OK;
	if (strcmp(text, "auto") == 0) {
		out->counter = mm_mcuboot_counter_of(&out->version);
		return MM_OK;
	}
	return blame(
	    "security-counter", mm_mcuboot_number_read(mm_span_text(text),
				    UINT32_MAX, &out->counter));
}

static enum mm_error
read_customs(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_mcuboot_making *out)
{
	enum mm_error error = MM_OK;
	const char *text;

	for (size_t i = 0; error == MM_OK; i++) {
		text = mm_option_nth(invocation, "custom-tlv", i);
		if (text == NULL)
			break;
		error = blame("custom-tlv",
		    mm_mcuboot_custom_read(mm_span_text(text), arena, out));
	}
	return error;
}

static enum mm_error
read_options(const struct mm_invocation *invocation, struct mm_arena *arena,
    struct mm_mcuboot_making *out)
{
	const char *dependencies = mm_option(invocation, "dependencies");
	uint64_t erased = 0xff;
	enum mm_error error;

	*out = (struct mm_mcuboot_making){
	    .header = MM_MCUBOOT_HEADER,
	    .align = USUAL_ALIGN,
	    .pad = mm_option(invocation, "pad") != NULL,
	    .confirm = mm_option(invocation, "confirm") != NULL,
	};
	error = blame("version",
	    mm_mcuboot_version_read(
		mm_span_text(mm_option(invocation, "version")), &out->version));
	if (error == MM_OK)
		error = read_numbers(invocation, out, &erased);
	out->erased = (uint8_t)erased;
	if (error == MM_OK)
		error = read_counter(invocation, out);
	if (error == MM_OK && dependencies != NULL)
		error =
		    blame("dependencies", mm_mcuboot_dependencies_read(
					      mm_span_text(dependencies), out));
	return error == MM_OK ? read_customs(invocation, arena, out) : error;
}

/* Reads what was made: nothing is written that the appliance would refuse. */
static enum mm_error
report(const struct mm_invocation *invocation, struct mm_span image,
    struct mm_arena *arena, json_t **out)
{
	struct mm_mcuboot_layout layout;
	uint8_t digest[32];
	enum mm_error error = mm_mcuboot_layout(image, &layout);

	if (error == MM_OK)
		error = mm_mcuboot_hash(&layout, digest);
	if (error == MM_OK)
		*out = json_pack("{s:o, s:I, s:s, s:I, s:b}", "file",
		    mm_json_text(mm_span_text(invocation->operands[1])), "size",
		    (json_int_t)image.size, "digest",
		    mm_hex(mm_span(digest, sizeof(digest)), arena), "slot",
		    (json_int_t)layout.slot, "confirmed",
		    (int)layout.confirmed);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *in = invocation->operands[0];
	const char *out = invocation->operands[1];
	mm_auto(buffer) payload = {0}, image = {0};
	mm_auto(arena) arena = {0};
	struct mm_mcuboot_making making;
	json_t *facts = NULL;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	mm_buffer_init(&payload, IMAGE_MAX);
	mm_buffer_init(&image, 2 * (size_t)IMAGE_MAX);
	error = read_options(invocation, &arena, &making);
	if (error == MM_OK)
		error = mm_output_check(invocation, out);
	if (error == MM_OK)
		error = mm_input(in, IMAGE_MAX, &payload);
	if (error != MM_OK)
		return error;
	making.payload = mm_buffer_span(&payload);
	error = mm_mcuboot_make(&making, &image);
	if (error == MM_OK)
		error =
		    report(invocation, mm_buffer_span(&image), &arena, &facts);
	if (error == MM_OK)
		error = mm_output(invocation, out, mm_buffer_span(&image));
	if (error == MM_OK && strcmp(out, "-") != 0)
		mm_print(invocation, facts);
	else
		json_decref(facts);
	return error;
}

static const struct mm_cli_option options[] = {
    {"version", "VERSION", "MAJOR.MINOR.REVISION+BUILD", MM_OPTION_MUST},
    {"header-size", "N", "bytes before the payload (default 32)",
	MM_OPTION_MAY},
    {"slot-size", "N", "bytes of the slot that it must fit into",
	MM_OPTION_MAY},
    {"align", "N", "bytes of a flash write: 1 to 32 (default 8)",
	MM_OPTION_MAY},
    {"pad", NULL, "fill the slot, and say that there is an update",
	MM_OPTION_MAY},
    {"confirm", NULL, "the same, and keep it without a test run",
	MM_OPTION_MAY},
    {"security-counter", "N|auto", "against rollback; auto: of the version",
	MM_OPTION_MAY},
    {"dependencies", "\"(IMAGE, VERSION), ...\"",
	"other images, and how new they must be", MM_OPTION_MAY},
    {"custom-tlv", "TYPE=VALUE", "a vendor's TLV; 0x...: bytes, else text",
	MM_OPTION_REPEATED},
    {"load-address", "N", "where in RAM it is loaded to", MM_OPTION_MAY},
    {"erased", "0xff|0", "what erased flash reads as (default 0xff)",
	MM_OPTION_MAY},
};

const struct mm_command mm_image_mcuboot_command = {
    .noun = "image",
    .verb = "mcuboot",
    .operands = "PAYLOAD IMAGE",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "a raw payload becomes an MCUboot image",
    .about =
	"It is what `imgtool sign --pad-header` makes without a key, and is\n"
	"signed by a product whose scheme is mcuboot. Numbers are decimal, or\n"
	"hex behind 0x. With --slot-size the signature must fit, too.",
    .results = "file, size, digest (that is signed), slot, confirmed",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
