/* Every file of a log's directory is checked, to the last byte; what is wrong
 * is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>

#include "audit/directory.h"
#include "tests/unit/honest_log.h"
#include "tests/unit/log_directory.h"

enum { PLAIN_MAX = 700 };

/* A log whose entries mean nothing: the tree is all there is to it. */
static struct mm_span plain[PLAIN_MAX];
static struct mm_hash plain_leaves[PLAIN_MAX];
static char plain_texts[PLAIN_MAX][24];

static void
make_plain(void)
{
	for (size_t i = 0; i < PLAIN_MAX; i++) {
		snprintf(
		    plain_texts[i], sizeof(plain_texts[i]), "entry %zu", i);
		plain[i] = mm_span_text(plain_texts[i]);
		plain_leaves[i] = mm_leaf_hash(plain[i]);
	}
}

static void
put_checkpoint(const char *name, uint64_t size)
{
	struct mm_checkpoint checkpoint =
	    checkpoint_of(plain_leaves, size, ORIGIN);

	put_note(name, &checkpoint, mint.log.key.public_key,
	    mint.log.key.secret_key);
}

static void
put_plain(uint64_t size)
{
	put_tiles(plain, plain_leaves, 0, size);
	put_checkpoint("checkpoint", size);
}

static struct mm_directory_report report;

static enum mm_error
verify_with(struct mm_audit_options audit)
{
	const struct mm_directory_options options = {
	    .directory = directory, .audit = audit};

	return mm_directory_verify(&options, &report);
}

static enum mm_error
verify_tree(void)
{
	return verify_with((struct mm_audit_options){
	    .vkey = &mint.log.vkey, .tree_only = true});
}

static enum mm_error
verify(void)
{
	return verify_with((struct mm_audit_options){.vkey = &mint.log.vkey});
}

static void
passes(enum mm_error error)
{
	if (error != MM_OK)
		fail_msg("%s: %s", mm_error_name(error), mm_why(error));
}

static void
fails(enum mm_error error, enum mm_error wanted, const char *name)
{
	if (error != wanted || strstr(mm_why(error), name) == NULL)
		fail_msg("%s \"%s\", not %s about %s", mm_error_name(error),
		    mm_why(error), mm_error_name(wanted), name);
}

/* --- every byte --- */

static enum mm_error (*spoil_verify)(void);
static size_t spoil_step;

/* Refused with each of these bytes of a file altered; a signature's line of
 * another key may say what it wants, so that notes have none here. */
static void
flip_bytes(const char *name)
{
	mm_autoclose int fd = open(path_of(name), O_RDWR | O_CLOEXEC);
	struct stat info;

	assert_true(fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0);
	for (off_t at = 0; at < info.st_size; at += (off_t)spoil_step) {
		uint8_t byte, other;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		other = (uint8_t)(byte ^ 1 << at % 8);
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		if (spoil_verify() == MM_OK)
			fail_msg("%s: byte %jd", name, (intmax_t)at);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
}

/* Longer, shorter, empty. */
static void
resize(const char *name)
{
	mm_auto(buffer) bytes = {0};
	size_t size;

	get_file(name, &bytes);
	size = bytes.size;
	put_file(name, mm_span(bytes.data, size - 1));
	assert_int_not_equal(spoil_verify(), MM_OK);
	put_file(name, mm_span(bytes.data, size / 2));
	assert_int_not_equal(spoil_verify(), MM_OK);
	put_file(name, mm_span("", 0));
	assert_int_not_equal(spoil_verify(), MM_OK);
	mm_buffer_add(&bytes, "", 1);
	put_file(name, mm_buffer_span(&bytes));
	assert_int_not_equal(spoil_verify(), MM_OK);
	put_file(name, mm_span(bytes.data, size));
}

static int
spoil_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	char name[PATH_MAX];

	(void)info;
	(void)at;
	if (type != FTW_F)
		return 0;
	snprintf(name, sizeof(name), "%s", path + strlen(directory) + 1);
	flip_bytes(name);
	resize(name);
	return 0;
}

/* All files, whatever they are. */
static void
spoil_all(enum mm_error (*how)(void), size_t step)
{
	spoil_verify = how;
	spoil_step = step;
	passes(how());
	assert_int_equal(nftw(directory, spoil_one, 8, FTW_PHYS), 0);
	passes(how());
}

static void
no_byte_of_a_tree_can_be_altered(void **state)
{
	(void)state;
	/* What was superseded, and what is ahead in a tile that is not. */
	put_tiles(plain, plain_leaves, 0, 3);
	put_tiles(plain, plain_leaves, 3, 5);
	put_checkpoint("cosigned", 3);
	put_plain(7);
	put_tiles(plain, plain_leaves, 7, 9);
	spoil_all(verify_tree, 1);
}

static void
no_byte_of_full_tiles_can_be_altered(void **state)
{
	(void)state;
	put_tiles(plain, plain_leaves, 0, 255);
	put_plain(257);
	spoil_all(verify_tree, 13);
}

/* --- honest logs --- */

/* Genesis brings its policy's text as a blob. */
static void
honest_with_blob(void)
{
	struct mm_genesis genesis;
	struct mm_blob blob = {.size = 8};
	char name[MM_BLOB_PATH_MAX];
	uint8_t *sha256;
	struct issue device;
	uint64_t size;

	honest_begin();
	sha256 = keep(blob.sha256, 32);
	crypto_hash_sha256(blob.sha256, (const uint8_t *)"policy 1", 8);
	memcpy(sha256, blob.sha256, 32);
	genesis = make_genesis(&mint.log);
	genesis.text = mm_span(NULL, 0);
	genesis.text_sha256 = mm_span(sha256, 32);
	genesis.text_size = 8;
	size = mint.log.size;
	mint.log.entries[0] =
	    make_entry(MM_ENTRY_GENESIS, NOW, mint.policy_digest, &genesis);
	mint.log.leaves[0] = mm_leaf_hash(mint.log.entries[0]);
	assert_int_equal(mint.log.size, size);
	device = device_issue("dev-01");
	issue_signed(&device);
	mm_blob_path(&blob, name);
	put_file(name, text("policy 1"));
}

static void
put_honest(void)
{
	struct mm_checkpoint checkpoint =
	    checkpoint_of(mint.log.leaves, mint.log.size, ORIGIN);

	put_tiles(mint.log.entries, mint.log.leaves, 0, mint.log.size);
	put_note("checkpoint", &checkpoint, mint.log.key.public_key,
	    mint.log.key.secret_key);
}

static void
an_honest_directory_passes(void **state)
{
	(void)state;
	honest_with_blob();
	put_honest();
	passes(verify());
	assert_int_equal(report.audit.size, mint.log.size);
	assert_int_equal(report.audit.devices, 1);
	assert_int_equal(report.blobs, 1);
	assert_int_equal(report.ahead, 0);
	assert_int_equal(report.cosigned, 0);
	/* Checkpoint, bundle, tile, blob. */
	assert_int_equal(report.files, 4);
	assert_true(report.bytes > 4000);
}

static void
no_byte_of_an_honest_log_can_be_altered(void **state)
{
	(void)state;
	honest_with_blob();
	put_honest();
	spoil_all(verify, 37);
}

/* The tree is sound, and the log makes no sense. */
static void
a_log_that_contradicts_itself_is_refused(void **state)
{
	enum mm_error error;

	(void)state;
	put_plain(3);
	passes(verify_tree());
	fails(verify(), MM_E_ENTRY, "entry 0: ");
	honest_with_blob();
	honest.time = NOW;
	add(MM_ENTRY_START, &(struct mm_start_entry){text("1"), 0});
	put_honest();
	/* Tile and bundle of the other log are there still; the file system
	 * says which is met first. */
	error = verify();
	fails(error, error == MM_E_TILE ? MM_E_TILE : MM_E_BUNDLE, "000.p/3");
	assert_int_equal(
	    nftw(path_of("tile"), remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
	put_honest();
	passes(verify_tree());
	fails(verify(), MM_E_LOG_WRONG, "entry 17: ");
}

static void
an_empty_log_is_a_tree_and_no_log(void **state)
{
	(void)state;
	put_plain(0);
	passes(verify_tree());
	fails(verify(), MM_E_LOG_WRONG, "no genesis");
}

/* --- trees --- */

static void
trees_verify_at_the_edges_of_tiles(void **state)
{
	static const uint64_t sizes[] = {
	    1, 2, 255, 256, 257, 511, 512, 513, 600};

	(void)state;
	for (size_t i = 0; i < MM_COUNT(sizes); i++) {
		put_plain(sizes[i]);
		if (verify_tree() != MM_OK)
			fail_msg("size %zu: %s", (size_t)sizes[i],
			    mm_why(verify_tree()));
		assert_int_equal(report.audit.size, sizes[i]);
	}
}

static void
a_missing_file_is_named(void **state)
{
	static const char *const names[] = {"checkpoint", "tile/entries/000",
	    "tile/entries/001.p/44", "tile/0/000", "tile/0/001.p/44",
	    "tile/1/000.p/1"};

	(void)state;
	put_plain(300);
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		mm_auto(buffer) bytes = {0};

		get_file(names[i], &bytes);
		remove_file(names[i]);
		fails(verify_tree(), MM_E_FILE, names[i]);
		put_file(names[i], mm_buffer_span(&bytes));
		passes(verify_tree());
	}
}

static void
swap(const char *one, const char *other)
{
	mm_auto(buffer) a = {0}, b = {0};

	get_file(one, &a);
	get_file(other, &b);
	put_file(one, mm_buffer_span(&b));
	put_file(other, mm_buffer_span(&a));
}

static void
swapped_files_are_refused(void **state)
{
	(void)state;
	put_plain(600);
	swap("tile/0/000", "tile/0/001");
	fails(verify_tree(), MM_E_TILE, "tile/0/000");
	swap("tile/0/000", "tile/0/001");
	swap("tile/entries/000", "tile/entries/001");
	fails(verify_tree(), MM_E_TILE, "entry 0");
	swap("tile/entries/000", "tile/entries/001");
	swap("tile/entries/001", "tile/0/001");
	assert_int_not_equal(verify_tree(), MM_OK);
	swap("tile/entries/001", "tile/0/001");
	passes(verify_tree());
}

/* A log of the same size by the same key, file by file. */
static void
files_of_another_log_are_refused(void **state)
{
	static const char *const names[] = {"checkpoint", "tile/entries/000",
	    "tile/0/000", "tile/1/000.p/1", "tile/entries/001.p/44",
	    "tile/0/001.p/44"};
	struct mm_buffer files[MM_COUNT(names)];

	(void)state;
	plain_texts[5][0] = plain_texts[290][0] = 'E';
	plain_leaves[5] = mm_leaf_hash(plain[5]);
	plain_leaves[290] = mm_leaf_hash(plain[290]);
	put_plain(300);
	for (size_t i = 0; i < MM_COUNT(names); i++)
		get_file(names[i], &files[i]);
	make_plain();
	put_plain(300);
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		mm_auto(buffer) own = {0};

		get_file(names[i], &own);
		put_file(names[i], mm_buffer_span(&files[i]));
		if (verify_tree() == MM_OK)
			fail_msg("%s", names[i]);
		put_file(names[i], mm_buffer_span(&own));
		mm_buffer_clear(&files[i]);
	}
	passes(verify_tree());
}

static void
superseded_tiles_agree_with_newer_ones(void **state)
{
	(void)state;
	put_tiles(plain, plain_leaves, 0, 100);
	put_tiles(plain, plain_leaves, 100, 200);
	put_plain(300);
	passes(verify_tree());
	assert_int_equal(report.ahead, 0);
	swap("tile/0/000.p/100", "tile/0/001.p/44");
	assert_int_not_equal(verify_tree(), MM_OK);
	swap("tile/0/000.p/100", "tile/0/001.p/44");
	put_file("tile/entries/000.p/1", mm_span("\0\7entry 1", 9));
	fails(verify_tree(), MM_E_BUNDLE, "tile/entries/000.p/1 ");
}

static void
what_is_ahead_is_counted_and_well_formed(void **state)
{
	mm_auto(buffer) bytes = {0};

	(void)state;
	put_plain(200);
	put_tiles(plain, plain_leaves, 200, 600);
	passes(verify_tree());
	assert_int_equal(report.audit.size, 200);
	/* Bundles 0, 1 and 2, tiles 0, 1 and 2 of level 0, 0 of level 1. */
	assert_int_equal(report.ahead, 7);
	get_file("tile/entries/002.p/88", &bytes);
	put_file("tile/entries/002.p/88", mm_span(bytes.data, bytes.size - 1));
	fails(verify_tree(), MM_E_BUNDLE, "tile/entries/002.p/88");
	put_file("tile/entries/002.p/88", mm_buffer_span(&bytes));
	put_file("tile/entries/002.p/88", mm_span(bytes.data, 9));
	fails(verify_tree(), MM_E_BUNDLE, "tile/entries/002.p/88");
	put_file("tile/entries/002.p/88", mm_buffer_span(&bytes));
	put_file("tile/1/000.p/2", mm_span_text("short"));
	fails(verify_tree(), MM_E_TILE, "tile/1/000.p/2");
}

/* What is ahead agrees with itself, as far as it is there. */
static void
no_byte_of_what_is_ahead_can_be_altered(void **state)
{
	(void)state;
	put_plain(200);
	put_tiles(plain, plain_leaves, 200, 514);
	spoil_all(verify_tree, 101);
	remove_file("tile/0/002.p/2");
	remove_file("tile/0/001");
	passes(verify_tree());
}

/* A copy may have just the full tiles. */
static void
a_full_tile_stands_in_for_a_partial_one(void **state)
{
	(void)state;
	put_tiles(plain, plain_leaves, 0, 256);
	put_checkpoint("checkpoint", 200);
	passes(verify_tree());
	assert_int_equal(report.audit.size, 200);
	swap("tile/0/000", "checkpoint");
	assert_int_not_equal(verify_tree(), MM_OK);
}

static void
another_root_than_the_signed_one_is_refused(void **state)
{
	struct mm_checkpoint checkpoint;

	(void)state;
	put_plain(3);
	checkpoint = checkpoint_of(plain_leaves + 1, 3, ORIGIN);
	put_note("checkpoint", &checkpoint, mint.log.key.public_key,
	    mint.log.key.secret_key);
	fails(verify_tree(), MM_E_LOG_WRONG, "checkpoint's root");
	checkpoint = checkpoint_of(plain_leaves, 3, "other.example");
	put_note("checkpoint", &checkpoint, mint.log.key.public_key,
	    mint.log.key.secret_key);
	assert_int_equal(verify_tree(), MM_E_NOTE_KEY);
	checkpoint = checkpoint_of(plain_leaves, 3, ORIGIN);
	put_note("checkpoint", &checkpoint, mint.eve.public_key,
	    mint.eve.secret_key);
	assert_int_equal(verify_tree(), MM_E_NOTE_KEY);
}

/* --- names --- */

static void
names_that_are_no_names_are_refused(void **state)
{
	static const char *const names[] = {"tile/0/000.p/04", "tile/0/0",
	    "tile/00/000", "tile/0/x000/000", "tile/0/1000", "tile/0/000.p/0",
	    "tile/0/000.p/256", "tile/0/000.p/300", "tile/8/000", "tile/63/000",
	    "tile/64/000", "tile/entries/000.p/x", "tile/entries/abc",
	    "tile/Entries/000", "tile/readme", "tile/0/000.bak",
	    "tile/0/000.p/3~",
	    "tile/0/"
	    "0000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "tile/0/001/000", "tile/0/000.p/1/1", "blob/readme", "blob/00",
	    "blob/dir/x", "Checkpoint", "COSIGNED"};

	(void)state;
	put_plain(4);
	honest_begin();
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		enum mm_error error;
		char name[256];

		put_file(names[i], mm_span_text("x"));
		/* What lies under blob/ is no part of the tree. */
		error = strncmp(names[i], "blob/", 5) == 0 ? verify()
							   : verify_tree();
		snprintf(name, sizeof(name), "%s", names[i]);
		if (error != MM_E_STRAY)
			fail_msg("%s: %s %s", names[i], mm_error_name(error),
			    mm_why(error));
		remove_file(names[i]);
		while (strrchr(name, '/') != NULL) {
			*strrchr(name, '/') = '\0';
			(void)!rmdir(path_of(name));
		}
	}
	passes(verify_tree());
}

static void
other_files_beside_the_log_are_nobodys_business(void **state)
{
	(void)state;
	put_plain(4);
	put_file("log.vkey", mm_span_text("x"));
	put_file("index.html", mm_span_text("x"));
	put_file(".new", mm_span_text("half"));
	put_file("tile/.new", mm_span_text("half"));
	put_file("notes/tile/0/0", mm_span_text("x"));
	passes(verify_tree());
}

static void
only_files_are_files(void **state)
{
	static const char *const names[] = {"checkpoint", "cosigned",
	    "tile/0/000.p/4", "tile/entries/000.p/4", "tile/0/000.p/1"};

	(void)state;
	put_plain(4);
	put_tiles(plain, plain_leaves, 0, 1);
	put_checkpoint("cosigned", 2);
	for (size_t i = 0; i < MM_COUNT(names); i++) {
		mm_auto(buffer) bytes = {0};
		char away[PATH_MAX];

		get_file(names[i], &bytes);
		snprintf(away, sizeof(away), "%s", path_of("away"));
		assert_int_equal(rename(path_of(names[i]), away), 0);
		assert_int_equal(symlink(away, path_of(names[i])), 0);
		fails(verify_tree(), MM_E_STRAY, names[i]);
		remove_file(names[i]);
		assert_int_equal(mkfifo(path_of(names[i]), 0600), 0);
		fails(verify_tree(), MM_E_STRAY, names[i]);
		remove_file(names[i]);
		assert_int_equal(mkdir(path_of(names[i]), 0700), 0);
		assert_int_equal(verify_tree(), MM_E_STRAY);
		assert_int_equal(rmdir(path_of(names[i])), 0);
		put_file(names[i], mm_buffer_span(&bytes));
		passes(verify_tree());
	}
}

static void
a_link_is_no_directory(void **state)
{
	char away[PATH_MAX];

	(void)state;
	put_plain(4);
	snprintf(away, sizeof(away), "%s", path_of("away"));
	assert_int_equal(rename(path_of("tile"), away), 0);
	assert_int_equal(symlink(away, path_of("tile")), 0);
	fails(verify_tree(), MM_E_STRAY, "tile");
	remove_file("tile");
	put_file("tile", mm_span_text("x"));
	fails(verify_tree(), MM_E_STRAY, "tile");
}

static void
a_socket_is_no_tile(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mm_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	put_plain(4);
	mm_span_string(text(path_of("tile/0/001")), address.sun_path,
	    sizeof(address.sun_path));
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	fails(verify_tree(), MM_E_STRAY, "tile/0/001");
}

/* --- blobs --- */

static void
blobs_are_all_there_and_no_others(void **state)
{
	struct mm_blob blob = {.size = 8}, other = {.size = 5};
	char name[MM_BLOB_PATH_MAX], stray[MM_BLOB_PATH_MAX];

	(void)state;
	honest_with_blob();
	put_honest();
	crypto_hash_sha256(blob.sha256, (const uint8_t *)"policy 1", 8);
	crypto_hash_sha256(other.sha256, (const uint8_t *)"other", 5);
	mm_blob_path(&blob, name);
	mm_blob_path(&other, stray);
	put_file(stray, text("other"));
	stray[20] = '\0';
	fails(verify(), MM_E_STRAY, stray);
	mm_blob_path(&other, stray);
	remove_file(stray);
	put_file(stray, text(""));
	fails(verify(), MM_E_BLOB, stray);
	remove_file(stray);
	passes(verify());
	remove_file(name);
	name[20] = '\0';
	fails(verify(), MM_E_BLOB, name);
	assert_non_null(strstr(mm_why(MM_E_BLOB), "entry 0"));
	mm_blob_path(&blob, name);
	put_file(name, text("policy 2"));
	fails(verify(), MM_E_BLOB, name);
	put_file(name, text("policy 1"));
	passes(verify());
}

static void
a_blob_has_the_size_that_its_entry_says(void **state)
{
	struct mm_genesis genesis;
	uint8_t sha256[32];

	(void)state;
	honest_with_blob();
	crypto_hash_sha256(sha256, (const uint8_t *)"policy 1", 8);
	genesis = make_genesis(&mint.log);
	genesis.text = mm_span(NULL, 0);
	genesis.text_sha256 = mm_span(sha256, 32);
	genesis.text_size = 9;
	mint.log.entries[0] =
	    make_entry(MM_ENTRY_GENESIS, NOW, mint.policy_digest, &genesis);
	mint.log.leaves[0] = mm_leaf_hash(mint.log.entries[0]);
	put_honest();
	fails(verify(), MM_E_BLOB, "entry 0");
}

/* The directory of an honest log with a CRL in a blob, whose name comes out. */
static void
put_crl_blob(struct mm_span tbs, char name[MM_BLOB_PATH_MAX])
{
	struct mm_crl_entry crl = {.issuer = text("device-ca"),
	    .number = 1,
	    .this_update = honest.time,
	    .next_update = honest.time + DAY,
	    .size = mint.log.size,
	    .tbs_size = tbs.size};
	struct mm_blob blob = {.size = tbs.size};

	crypto_hash_sha256(blob.sha256, tbs.data, tbs.size);
	crl.tbs_sha256 = mm_span(blob.sha256, 32);
	add_signature(
	    add(MM_ENTRY_CRL, &crl), soft_sign("device-ca", blob.sha256));
	put_honest();
	mm_blob_path(&blob, name);
	put_file(name, tbs);
}

/* A CA signs what is in the blob: it must be a CRL, and the log's. */
static void
a_crl_in_a_blob_is_one(void **state)
{
	char name[MM_BLOB_PATH_MAX];
	struct listed listed;
	struct crl_plan plan = {.ca_tbs = honest.device_ca_tbs,
	    .number = 1,
	    .listed = &listed,
	    .count = 1};
	struct issue device;

	(void)state;
	honest_with_blob();
	put_crl_blob(make_crl(honest.device_ca_tbs, 1), name);
	passes(verify());
	assert_int_equal(report.blobs, 2);
	remove_file(name);
	fails(verify(), MM_E_BLOB, name);
	honest_with_blob();
	device = device_issue("dev-01");
	put_crl_blob(device.entry.tbs, name);
	fails(verify(), MM_E_LOG_WRONG, "no list of revoked");
	remove_file(name);
	honest_with_blob();
	listed = (struct listed){serial_of(device.entry.tbs), 1};
	plan.ca_tbs = honest.device_ca_tbs;
	put_crl_blob(make_crl_of(&plan), name);
	fails(verify(), MM_E_LOG_WRONG, "lists 1 certificates");
	remove_file(name);
}

/* A web server's directory has more; nobody is to overlook it. */
static void
what_else_lies_at_the_top_is_counted(void **state)
{
	(void)state;
	put_plain(4);
	passes(verify_tree());
	assert_int_equal(report.others, 0);
	put_file("index.html", text("x"));
	put_file("README", text("y"));
	passes(verify_tree());
	assert_int_equal(report.others, 2);
	remove_file("index.html");
	remove_file("README");
}

/* What the next checkpoint will cover is there already. */
static void
a_blob_may_be_ahead(void **state)
{
	struct mm_crl_entry crl = {
	    .issuer = text("device-ca"), .number = 1, .tbs_size = 5};
	struct mm_blob blob = {.size = 5};
	char name[MM_BLOB_PATH_MAX];
	uint64_t size;

	(void)state;
	honest_with_blob();
	put_honest();
	size = mint.log.size;
	crypto_hash_sha256(blob.sha256, (const uint8_t *)"other", 5);
	crl.tbs_sha256 = mm_span(blob.sha256, 32);
	add(MM_ENTRY_CRL, &crl);
	put_tiles(mint.log.entries, mint.log.leaves, size, size + 1);
	passes(verify());
	mm_blob_path(&blob, name);
	put_file(name, text("other"));
	passes(verify());
	assert_int_equal(report.blobs, 1);
	assert_int_equal(report.ahead, 2);
}

/* --- checkpoints --- */

static void
a_cosigned_checkpoint_is_of_this_log(void **state)
{
	struct mm_checkpoint checkpoint;

	(void)state;
	put_plain(300);
	put_checkpoint("cosigned", 257);
	passes(verify_tree());
	assert_int_equal(report.cosigned, 257);
	checkpoint = checkpoint_of(plain_leaves + 1, 257, ORIGIN);
	put_note("cosigned", &checkpoint, mint.log.key.public_key,
	    mint.log.key.secret_key);
	fails(verify_tree(), MM_E_FORK, "cosigned");
	put_checkpoint("cosigned", 301);
	fails(verify_tree(), MM_E_BEHIND, "cosigned");
	checkpoint = checkpoint_of(plain_leaves, 257, ORIGIN);
	put_note(
	    "cosigned", &checkpoint, mint.eve.public_key, mint.eve.secret_key);
	fails(verify_tree(), MM_E_NOTE_KEY, "cosigned");
	put_file("cosigned", mm_span_text(""));
	fails(verify_tree(), MM_E_NOTE, "cosigned");
}

static void
the_log_goes_through_a_kept_checkpoint(void **state)
{
	struct mm_checkpoint kept;
	struct mm_audit_options options = {
	    .vkey = &mint.log.vkey, .tree_only = true, .kept = &kept};

	(void)state;
	put_plain(300);
	kept = checkpoint_of(plain_leaves, 257, ORIGIN);
	passes(verify_with(options));
	kept.root.bytes[5] ^= 1;
	fails(verify_with(options), MM_E_FORK, "257 entries");
	kept = checkpoint_of(plain_leaves, 301, ORIGIN);
	fails(verify_with(options), MM_E_BEHIND, "301");
}

static uint64_t told, told_last;

static void
tell(void *self, uint64_t done, uint64_t size, uint64_t bytes)
{
	assert_ptr_equal(self, &told);
	assert_int_equal(size, 600);
	assert_true(done > told_last && bytes > done);
	told_last = done;
	told++;
}

static void
progress_is_told(void **state)
{
	struct mm_buffer note;
	const struct mm_directory_options options = {.directory = directory,
	    .audit = {.vkey = &mint.log.vkey, .tree_only = true},
	    .progress = tell,
	    .self = &told,
	    .note = &note};
	mm_auto(buffer) file = {0};

	(void)state;
	mm_buffer_init(&note, MM_NOTE_MAX);
	put_plain(600);
	passes(mm_directory_verify(&options, &report));
	assert_int_equal(told_last, 600);
	assert_true(told >= 3);
	get_file("checkpoint", &file);
	assert_true(
	    mm_span_equal(mm_buffer_span(&note), mm_buffer_span(&file)));
	mm_buffer_clear(&note);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

static int
make_logs(void **state)
{
	make_plain();
	return honest_make(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(no_byte_of_a_tree_can_be_altered),
	    TEST(no_byte_of_full_tiles_can_be_altered),
	    TEST(an_honest_directory_passes),
	    TEST(no_byte_of_an_honest_log_can_be_altered),
	    TEST(a_log_that_contradicts_itself_is_refused),
	    TEST(an_empty_log_is_a_tree_and_no_log),
	    TEST(trees_verify_at_the_edges_of_tiles),
	    TEST(a_missing_file_is_named),
	    TEST(swapped_files_are_refused),
	    TEST(files_of_another_log_are_refused),
	    TEST(superseded_tiles_agree_with_newer_ones),
	    TEST(what_is_ahead_is_counted_and_well_formed),
	    TEST(no_byte_of_what_is_ahead_can_be_altered),
	    TEST(a_full_tile_stands_in_for_a_partial_one),
	    TEST(another_root_than_the_signed_one_is_refused),
	    TEST(names_that_are_no_names_are_refused),
	    TEST(other_files_beside_the_log_are_nobodys_business),
	    TEST(only_files_are_files),
	    TEST(a_link_is_no_directory),
	    TEST(a_socket_is_no_tile),
	    TEST(blobs_are_all_there_and_no_others),
	    TEST(a_blob_has_the_size_that_its_entry_says),
	    TEST(a_crl_in_a_blob_is_one),
	    TEST(what_else_lies_at_the_top_is_counted),
	    TEST(a_blob_may_be_ahead),
	    TEST(a_cosigned_checkpoint_is_of_this_log),
	    TEST(the_log_goes_through_a_kept_checkpoint),
	    TEST(progress_is_told),
	};

	return cmocka_run_group_tests(tests, make_logs, honest_remove);
}
