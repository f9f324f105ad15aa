/*
 * Firmware images: what the bytes say about themselves. One reader a format;
 * none recurses, none allocates by a length from the file, and each stops at
 * the first thing that is wrong (MM_E_IMAGE), naming the offset.
 *
 *   image.c            which reader; the whole file's facts
 *   hashing.c          SHA-256 and XOR of a file and its prefixes, in one pass
 *   image_facts.c      the shapes of all facts
 *   esp_image.c        ESP images: header, segments, checksum and hash
 *   esp_app.c          the descriptors in them
 *   chips.c            what is known of each chip
 *   mcuboot.c          MCUboot images
 *   partition_table.c  ESP partition tables, binary
 *   partition_csv.c    the same as people write them
 *   secure_cert.c      esp_secure_cert partitions
 *   signatures.c       the signatures that a file carries
 *   scheme.c           signature schemes, a row each, and a file a family
 *   public_key.c       the keys that verify; ecdsa_der.c their signatures
 *   inspector.c        the process that reads for the authority
 */
#ifndef MM_IMAGE_H
#define MM_IMAGE_H

#include "protocol/shape.h"

enum {
	MM_SEGMENTS_MAX = 16, /* of an ESP image */
	MM_TLVS_MAX = 64,     /* of an MCUboot image */
	MM_DEPENDENCIES_MAX = 8,
	MM_PARTITIONS_MAX = 95,
	MM_SECURE_CERT_MAX = 64,    /* TLVs of an esp_secure_cert partition */
	MM_SIGNATURE_BLOCKS_MAX = 3 /* that one image carries */
};

/* A file's formats, as they are called in policies and entries. */
enum mm_image_format {
	MM_FORMAT_PLAIN = 0,      /* "plain": of no format known here */
	MM_FORMAT_ESP_APP = 1,    /* "esp-app": with an app descriptor */
	MM_FORMAT_BOOTLOADER = 2, /* "esp-bootloader" */
	MM_FORMAT_ESP_IMAGE = 3,  /* "esp-image": with neither descriptor */
	MM_FORMAT_MCUBOOT = 4,    /* "mcuboot" */
	MM_FORMAT_PARTITIONS = 5, /* "partition-table" */
	MM_FORMAT_SECURE_CERT = 6 /* "secure-cert" */
};
const char *mm_image_format_name(enum mm_image_format format);

struct mm_segment {
	uint64_t address; /* load address; 0: padding */
	uint64_t offset;  /* of its data in the file */
	uint64_t size;
};
/* esp_image_header_t and what follows it (formats of ESP-IDF). */
struct mm_esp_facts {
	struct mm_list segments; /* mm_segment */
	uint64_t entry;
	uint64_t min_revision, max_revision; /* major * 100 + minor */
	uint64_t flash_size;                 /* bytes */
	struct mm_span flash_mode;           /* "dio" */
	struct mm_span flash_frequency;      /* "80m"; as the chip has it */
	uint64_t old_revision; /* what bootloaders before revisions had minors
				* ask for */
	uint64_t write_protect, drive; /* pin (0xEE: none) and 24 bits of pin
					* drive, as they stand */
	bool hashed;                   /* a SHA-256 is appended */
	struct mm_span idf, built;     /* versions and date, as text */
	struct mm_span elf_sha256;     /* 32 bytes, or none */
	uint64_t mmu_page;             /* bytes */
	struct mm_span padded; /* "secure-boot-v1" or "-v2": room was made for
				* such a signature; or empty */
};
struct mm_image_version {
	uint64_t major, minor, revision, build;
};
struct mm_dependency {
	uint64_t image;
	struct mm_image_version at_least;
};
struct mm_image_tlv {
	uint64_t type, offset, size; /* of the value, in the file */
	bool covered;                /* by the image's hash */
};
struct mm_mcuboot_facts {
	uint64_t header, payload; /* bytes */
	uint64_t load_address, flags;
	struct mm_list dependencies; /* mm_dependency */
	struct mm_list tlvs;         /* mm_image_tlv */
	struct mm_span key_hash;     /* 32 bytes, or none */
	uint64_t slot; /* bytes, where it is padded to its slot; else 0 */
	bool confirmed;
};
struct mm_partition {
	struct mm_span name;
	uint64_t type, subtype, offset, size;
	bool encrypted, readonly;
};
struct mm_partition_facts {
	struct mm_list partitions; /* mm_partition, as they stand */
	bool summed;               /* an MD5 row is there, and right */
};
struct mm_secure_cert_tlv {
	uint64_t type, subtype, flags, offset, size; /* of the value */
};
struct mm_secure_cert_facts {
	struct mm_list tlvs;        /* mm_secure_cert_tlv */
	struct mm_span certificate; /* SHA-256 of the DER of the device's */
	bool plain_key;             /* a private key lies in it in clear */
	uint64_t covered; /* bytes that its signature is over: all before the
			   * first signature TLV */
};

/* A signature that the file carries. */
struct mm_signature_block {
	struct mm_span family; /* "secure-boot-v2" (scheme.h) */
	uint64_t offset;
	struct mm_span algorithm; /* "RSA-3072", "P-256", ...; or unknown */
	/* Of a Secure Boot V2 block the public key's digest, of MCUboot the
	 * key's hash; of V1 empty: it names no key. */
	struct mm_span key;
	/* Its own fields hold, its digest is the data's, and by the key that it
	 * carries, if it carries one, it verifies. */
	bool sound;
};

struct mm_image_facts {
	uint64_t size;      /* bytes of the file */
	uint8_t sha256[32]; /* of the file */
	struct mm_span format;
	uint64_t length;     /* of the image proper, signatures left out */
	uint64_t trailing;   /* bytes behind it that are neither a signature
			      * nor the padding before one */
	bool blank;          /* all of those are 0xFF (or none are there) */
	struct mm_span chip; /* "esp32c3" */
	struct mm_span project, version;
	uint64_t secure_version;    /* of MCUboot the security counter */
	struct mm_list esp;         /* mm_esp_facts, one at most */
	struct mm_list mcuboot;     /* mm_mcuboot_facts, one at most */
	struct mm_list table;       /* mm_partition_facts, one at most */
	struct mm_list secure_cert; /* mm_secure_cert_facts, one at most */
	struct mm_list signatures;  /* mm_signature_block */
};
extern const struct mm_shape mm_image_facts_shape;

/*
 * Reads a file's facts. `as` is a format's name, for a file that must be it
 * ("plain": nothing is read into it), or empty: its first bytes tell. What
 * the facts point to is static or in the arena, which needs 64 KiB at most.
 * MM_E_IMAGE: it is not what its first bytes promise, or not `as`;
 * MM_E_INSPECTOR: it is empty, or there is no SHA-256 to be had.
 */
enum mm_error mm_image_read(struct mm_span image, struct mm_span as,
    struct mm_arena *arena, struct mm_image_facts *out) mm_must_use;

#endif
