/*
 * mintmark flash secure-cert: a device's esp_secure_cert partition, made of
 * files or of a CSV, and read.
 */
#include <sodium.h>
#include <string.h>

#include "cli/flash_number.h"
#include "cli/secure_cert_dump.h"
#include "cli/values.h"
#include "factory/secure_cert_write.h"

/* Everything that one partition is made of. */
struct making {
	const struct mm_invocation *invocation;
	struct mm_buffer device, ca;
	struct mm_flash_secret key_file, hmac_key, iv, made;
	struct mm_private_key key;
	struct mm_secure_cert_ds ds;
	struct mm_secure_cert_parts parts;
	uint8_t random_iv[MM_DS_IV];
	bool plain; /* the file holds a key in clear */
};

static void
clear(struct making *m)
{
	mm_buffer_clear(&m->device);
	mm_buffer_clear(&m->ca);
	mm_flash_secret_clear(&m->key_file);
	mm_flash_secret_clear(&m->hmac_key);
	mm_flash_secret_clear(&m->iv);
	mm_flash_secret_clear(&m->made);
	mm_private_key_clear(&m->key);
}

/* --- what is read --- */

static enum mm_error
read_certificate(
    const char *path, struct mm_buffer *file, struct mm_secure_cert_file *out)
{
	mm_auto(buffer) der = {0};
	size_t count = 0;
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	error = mm_file_read(path, MM_FLASH_PEM_MAX, file);
	if (error != MM_OK)
		return error;
	*out = (struct mm_secure_cert_file){path, mm_buffer_span(file)};
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_certificate_first(out->bytes, &der, &count);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	if (count > 1)
		mm_say("%s holds %zu certificates: the first one goes in (a "
		       "CSV takes the others as further subtypes)",
		    path, count);
	return MM_OK;
}

static enum mm_error
read_key(struct making *m)
{
	const char *path = mm_option(m->invocation, "private-key");
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	error = mm_flash_secret_read(path, &m->key_file);
	if (error != MM_OK)
		return error;
	error = mm_private_key_read(&m->key_file, &m->key);
	if (error != MM_OK)
		return mm_fail(error, "%s: %s", path, mm_why(error));
	m->parts.key = &m->key;
	m->parts.key_pem =
	    mm_is_pem(mm_span(m->key_file.data, m->key_file.size));
	return MM_OK;
}

/* A file of exactly so many bytes. */
static enum mm_error
read_exactly(const char *path, size_t size, struct mm_flash_secret *out)
{
	enum mm_error error = mm_flash_secret_read(path, out);

	if (error == MM_OK && out->size != size)
		return mm_fail(MM_E_FORMAT,
		    "%s has %zu bytes, and %zu are wanted, as they are", path,
		    out->size, size);
	return error;
}

static enum mm_error
read_iv(struct making *m)
{
	const char *path = mm_option(m->invocation, "iv");
	enum mm_error error =
	    path == NULL ? MM_OK : read_exactly(path, MM_DS_IV, &m->iv);

	randombytes_buf(m->random_iv, sizeof(m->random_iv));
	m->ds.iv = path == NULL ? m->random_iv : m->iv.data;
	return error;
}

static enum mm_error
read_chip(struct making *m)
{
	const char *name = mm_option(m->invocation, "ds");

	if (name == NULL)
		return MM_OK;
	m->ds.chip = mm_ds_chip_named(mm_span_text(name));
	if (m->ds.chip == NULL)
		return mm_fail(MM_E_USAGE,
		    "--ds: %s is no chip with such a peripheral, as esp32c3",
		    name);
	return MM_OK;
}

static void
say_of_rsa(const struct mm_ds_chip *chip)
{
	if (chip != NULL && strcmp(chip->name, "esp32c5") == 0)
		mm_say("esp32c5: the vendor's tool writes TLVs for RSA keys up "
		       "to 4096 bits, which this does too; its ESP-IDF reads "
		       "up to 3072: try one device first");
}

static enum mm_error
read_rsa_ds(struct making *m, const char *hmac)
{
	enum mm_error error =
	    hmac != NULL
		? read_exactly(hmac, MM_DS_HMAC_KEY, &m->hmac_key)
		: mm_fail(MM_E_USAGE,
		      "--ds with an RSA key wants --hmac-key, the eFuse's 32 "
		      "bytes");

	m->ds.hmac_key = m->hmac_key.data;
	say_of_rsa(m->ds.chip);
	return error == MM_OK ? read_iv(m) : error;
}

/* The peripheral's part of the command line. */
static enum mm_error
read_ds(struct making *m)
{
	const char *hmac = mm_option(m->invocation, "hmac-key");
	uint64_t number = MM_DS_EFUSE_KEYS;
	enum mm_error error;

	if (m->ds.chip == NULL)
		return MM_OK;
	error = mm_flash_number_option(
	    m->invocation, "efuse-key-id", 0, MM_DS_EFUSE_KEYS - 1, &number);
	if (error != MM_OK)
		return error;
	if (number == MM_DS_EFUSE_KEYS || m->parts.key == NULL)
		return mm_fail(MM_E_USAGE,
		    "--ds wants --private-key and --efuse-key-id, 0 to 5");
	m->ds.efuse_key = (uint8_t)number;
	m->parts.ds = &m->ds;
	if (m->key.rsa)
		return read_rsa_ds(m, hmac);
	if (hmac != NULL || mm_option(m->invocation, "iv") != NULL)
		return mm_fail(MM_E_USAGE,
		    "--hmac-key and --iv are for RSA keys: an ECDSA key is "
		    "burned itself");
	return MM_OK;
}

/* --- whose CA it is --- */

/* It may be meant: some firmware keeps a server's CA there. */
static void
say_of_issuer(const struct making *m)
{
	mm_auto(buffer) device = {0};
	mm_auto(buffer) ca = {0};

	if (m->parts.device.bytes.size == 0 || m->parts.ca.bytes.size == 0)
		return;
	mm_buffer_init(&device, MM_FLASH_PEM_MAX);
	mm_buffer_init(&ca, MM_FLASH_PEM_MAX);
	if (mm_certificate_first(m->parts.device.bytes, &device, NULL) ==
		MM_OK &&
	    mm_certificate_first(m->parts.ca.bytes, &ca, NULL) == MM_OK &&
	    mm_certificate_issued(
		mm_buffer_span(&device), mm_buffer_span(&ca)) != MM_OK)
		mm_say("%s: %s", m->parts.ca.path, mm_why(MM_E_FORMAT));
}

/* --- what may not go together --- */

static enum mm_error
check_alone(const struct mm_invocation *invocation)
{
	static const char *const ds[] = {"hmac-key", "efuse-key-id", "iv"};
	static const char *const making[] = {"format", "device-cert", "ca-cert",
	    "private-key", "plain-keys", "ds", "hmac-key", "efuse-key-id", "iv",
	    "csv", "size", "out"};

	if (mm_option(invocation, "dump") != NULL)
		return mm_values_said(invocation, making, MM_COUNT(making)) == 0
			   ? MM_OK
			   : mm_fail(MM_E_USAGE,
				 "--dump reads a partition and makes none: "
				 "leave the other options out");
	if (mm_option(invocation, "ds") == NULL &&
	    mm_values_said(invocation, ds, MM_COUNT(ds)) > 0)
		return mm_fail(MM_E_USAGE,
		    "--hmac-key, --efuse-key-id and --iv go with --ds CHIP");
	if (mm_option(invocation, "out") == NULL)
		return mm_fail(MM_E_USAGE, "say where it goes: -o OUT");
	return MM_OK;
}

static enum mm_error
read_layout(struct making *m)
{
	const char *name = mm_option(m->invocation, "format");

	m->parts.layout = MM_LAYOUT_TLV;
	if (name == NULL ||
	    mm_secure_cert_layout_named(mm_span_text(name), &m->parts.layout))
		return MM_OK;
	return mm_fail(MM_E_USAGE,
	    "--format is tlv, tlv8k, cust_flash or cust_flash_ds, and not %s",
	    name);
}

static enum mm_error
read_size(struct making *m)
{
	uint64_t size = 0;
	enum mm_error error =
	    mm_flash_number_option(m->invocation, "size", 1, UINT32_MAX, &size);

	m->parts.size = (size_t)size;
	return error;
}

/* --- made --- */

static enum mm_error
make_of_files(struct making *m)
{
	static const char *const any[] = {
	    "device-cert", "ca-cert", "private-key"};
	enum mm_error error = read_layout(m);

	if (error == MM_OK &&
	    mm_values_said(m->invocation, any, MM_COUNT(any)) == 0)
		error = mm_fail(MM_E_USAGE,
		    "say --device-cert, --ca-cert and --private-key, or --csv");
	if (error == MM_OK)
		error = read_size(m);
	if (error == MM_OK)
		error =
		    read_certificate(mm_option(m->invocation, "device-cert"),
			&m->device, &m->parts.device);
	if (error == MM_OK)
		error = read_certificate(
		    mm_option(m->invocation, "ca-cert"), &m->ca, &m->parts.ca);
	if (error == MM_OK)
		error = read_key(m);
	if (error == MM_OK)
		error = read_ds(m);
	m->plain = m->parts.key != NULL && m->parts.ds == NULL;
	if (error == MM_OK && m->plain &&
	    mm_option(m->invocation, "plain-keys") == NULL)
		error = mm_fail(MM_E_USAGE,
		    "the private key would stand in the file in clear: say "
		    "--plain-keys, or --ds CHIP for a key that the chip holds");
	if (error == MM_OK)
		error = mm_secure_cert_make(&m->parts, &m->made);
	if (error == MM_OK)
		say_of_issuer(m);
	return error;
}

static enum mm_error
make_of_csv(struct making *m, const char *path)
{
	static const char *const none[] = {"device-cert", "ca-cert",
	    "private-key", "efuse-key-id", "format", "size"};
	struct mm_secure_cert_csv_terms terms = {
	    .plain_keys = mm_option(m->invocation, "plain-keys") != NULL,
	    .chip = m->ds.chip,
	    .hmac_key = mm_option(m->invocation, "hmac-key")};
	enum mm_error error = MM_OK;

	if (mm_values_said(m->invocation, none, MM_COUNT(none)) > 0)
		return mm_fail(MM_E_USAGE,
		    "--csv lists all that goes in, as TLVs: leave --device-cert"
		    ", --ca-cert, --private-key, --efuse-key-id, --format and "
		    "--size out");
	if (mm_option(m->invocation, "iv") != NULL) {
		error = read_iv(m);
		terms.iv = m->iv.data;
	}
	m->plain = terms.plain_keys;
	say_of_rsa(terms.chip);
	return error == MM_OK ? mm_secure_cert_csv(path, &terms, &m->made)
			      : error;
}

static enum mm_error
write_made(const struct making *m)
{
	const char *path = mm_option(m->invocation, "out");
	enum mm_error error =
	    mm_file_write(path, mm_span(m->made.data, m->made.size),
		m->plain ? 0600 : 0644, m->invocation->force);

	if (error == MM_OK)
		mm_print(m->invocation,
		    json_pack("{s:s, s:I, s:b}", "out", path, "size",
			(json_int_t)m->made.size, "plain_keys", m->plain));
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *dump = mm_option(invocation, "dump");
	const char *csv = mm_option(invocation, "csv");
	struct making making = {.invocation = invocation};
	enum mm_error error = check_alone(invocation);

	if (error == MM_OK && dump != NULL)
		return mm_secure_cert_dump(invocation, dump);
	if (error == MM_OK)
		error =
		    mm_output_check(invocation, mm_option(invocation, "out"));
	if (error == MM_OK)
		error = read_chip(&making);
	if (error == MM_OK)
		error = csv != NULL ? make_of_csv(&making, csv)
				    : make_of_files(&making);
	if (error == MM_OK)
		error = write_made(&making);
	clear(&making);
	return error;
}

static const struct mm_cli_option options[] = {
    {"format", "LAYOUT",
	"tlv (where nothing is said), tlv8k, cust_flash, cust_flash_ds",
	MM_OPTION_MAY},
    {"device-cert", "FILE", "the device's certificate, PEM or DER",
	MM_OPTION_MAY},
    {"ca-cert", "FILE",
	"the CA's that issued it; of DEVICE.chain.pem the first one goes in",
	MM_OPTION_MAY},
    {"private-key", "FILE", "its key: PKCS#8, SEC 1 or PKCS#1, PEM or DER",
	MM_OPTION_MAY},
    {"plain-keys", NULL, "private keys may stand in OUT in clear",
	MM_OPTION_MAY},
    {"ds", "CHIP",
	"the chip holds the key: RSA as ciphertext for its DS peripheral, "
	"ECDSA in the eFuse",
	MM_OPTION_MAY},
    {"hmac-key", "FILE", "of RSA the eFuse's key: 32 bytes", MM_OPTION_MAY},
    {"efuse-key-id", "N", "0 to 5: BLOCK_KEYn", MM_OPTION_MAY},
    {"iv", "FILE", "16 bytes, for this device alone; else random",
	MM_OPTION_MAY},
    {"csv", "FILE", "the TLVs, a row each, in place of all these",
	MM_OPTION_MAY},
    {"size", "BYTES", "of a cust_flash file: 0x3000 or 0x6000", MM_OPTION_MAY},
    {"dump", "FILE", "read a partition instead", MM_OPTION_MAY},
    {"out", "OUT", "the partition; mode 0600 with --plain-keys", MM_OPTION_MAY},
};

const struct mm_command mm_flash_secure_cert_command = {
    .noun = "flash",
    .verb = "secure-cert",
    .operands = "",
    .summary = "a device's esp_secure_cert partition, made or read",
    .results =
	"out, size, plain_keys; of --dump: layout, size, parts (name, type,\n"
	"subtype, offset of the value, size, flags, encoding, sha256 of a\n"
	"certificate, plain_key, efuse_key, key_bits, iv, text, hex)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
