/* The shapes of all facts, as they go from process to process. */
#include "signer/image.h"

enum { TEXT = 64, HASH = 32, U8 = UINT8_MAX, U16 = UINT16_MAX };
#define U32 UINT32_MAX
#define U63 INT64_MAX

static const struct mm_field segment_fields[] = {
    MM_FIELD(mm_segment, 0, address, MM_UINT, 0, U32),
    MM_FIELD(mm_segment, 1, offset, MM_UINT, 0, U63),
    MM_FIELD(mm_segment, 2, size, MM_UINT, 0, U32)};
static MM_SHAPE(segment_shape, mm_segment, segment_fields);

static const struct mm_field esp_fields[] = {
    MM_MANY(mm_esp_facts, 0, segments, &segment_shape, 1, MM_SEGMENTS_MAX),
    MM_FIELD(mm_esp_facts, 1, entry, MM_UINT, 0, U32),
    MM_FIELD(mm_esp_facts, 2, min_revision, MM_UINT, 0, U16),
    MM_FIELD(mm_esp_facts, 3, max_revision, MM_UINT, 0, U16),
    MM_FIELD(mm_esp_facts, 4, flash_size, MM_UINT, 0, U32),
    MM_FIELD(mm_esp_facts, 5, flash_mode, MM_TEXT, 1, TEXT),
    MM_FIELD(mm_esp_facts, 6, flash_frequency, MM_TEXT, 1, TEXT),
    MM_FIELD(mm_esp_facts, 7, old_revision, MM_UINT, 0, U8),
    MM_FIELD(mm_esp_facts, 8, write_protect, MM_UINT, 0, U8),
    MM_FIELD(mm_esp_facts, 9, drive, MM_UINT, 0, 0xFFFFFF),
    MM_FIELD(mm_esp_facts, 10, hashed, MM_BOOL, 0, 0),
    MM_OPTIONAL(mm_esp_facts, 11, idf, MM_TEXT, 1, TEXT),
    MM_OPTIONAL(mm_esp_facts, 12, built, MM_TEXT, 1, TEXT),
    MM_OPTIONAL(mm_esp_facts, 13, elf_sha256, MM_BYTES, HASH, HASH),
    MM_FIELD(mm_esp_facts, 14, mmu_page, MM_UINT, 1, U32),
    MM_OPTIONAL(mm_esp_facts, 15, padded, MM_TEXT, 1, TEXT)};
static MM_SHAPE(esp_shape, mm_esp_facts, esp_fields);

static const struct mm_field version_fields[] = {
    MM_FIELD(mm_image_version, 0, major, MM_UINT, 0, U8),
    MM_FIELD(mm_image_version, 1, minor, MM_UINT, 0, U8),
    MM_FIELD(mm_image_version, 2, revision, MM_UINT, 0, U16),
    MM_FIELD(mm_image_version, 3, build, MM_UINT, 0, U32)};
static MM_SHAPE(version_shape, mm_image_version, version_fields);

static const struct mm_field dependency_fields[] = {
    MM_FIELD(mm_dependency, 0, image, MM_UINT, 0, U8),
    MM_NESTED(mm_dependency, 1, at_least, &version_shape)};
static MM_SHAPE(dependency_shape, mm_dependency, dependency_fields);

static const struct mm_field image_tlv_fields[] = {
    MM_FIELD(mm_image_tlv, 0, type, MM_UINT, 0, U16),
    MM_FIELD(mm_image_tlv, 1, offset, MM_UINT, 0, U63),
    MM_FIELD(mm_image_tlv, 2, size, MM_UINT, 0, U16),
    MM_FIELD(mm_image_tlv, 3, covered, MM_BOOL, 0, 0)};
static MM_SHAPE(image_tlv_shape, mm_image_tlv, image_tlv_fields);

static const struct mm_field mcuboot_fields[] = {
    MM_FIELD(mm_mcuboot_facts, 0, header, MM_UINT, 0, U16),
    MM_FIELD(mm_mcuboot_facts, 1, payload, MM_UINT, 0, U32),
    MM_FIELD(mm_mcuboot_facts, 2, load_address, MM_UINT, 0, U32),
    MM_FIELD(mm_mcuboot_facts, 3, flags, MM_UINT, 0, U32),
    MM_ANY(mm_mcuboot_facts, 4, dependencies, &dependency_shape,
	MM_DEPENDENCIES_MAX),
    MM_ANY(mm_mcuboot_facts, 5, tlvs, &image_tlv_shape, MM_TLVS_MAX),
    MM_OPTIONAL(mm_mcuboot_facts, 6, key_hash, MM_BYTES, HASH, HASH),
    MM_OPTIONAL(mm_mcuboot_facts, 7, slot, MM_UINT, 1, U63),
    MM_FIELD(mm_mcuboot_facts, 8, confirmed, MM_BOOL, 0, 0)};
static MM_SHAPE(mcuboot_shape, mm_mcuboot_facts, mcuboot_fields);

static const struct mm_field partition_fields[] = {
    MM_OPTIONAL(mm_partition, 0, name, MM_TEXT, 1, TEXT),
    MM_FIELD(mm_partition, 1, type, MM_UINT, 0, U8),
    MM_FIELD(mm_partition, 2, subtype, MM_UINT, 0, U8),
    MM_FIELD(mm_partition, 3, offset, MM_UINT, 0, U32),
    MM_FIELD(mm_partition, 4, size, MM_UINT, 0, U32),
    MM_FIELD(mm_partition, 5, encrypted, MM_BOOL, 0, 0),
    MM_FIELD(mm_partition, 6, readonly, MM_BOOL, 0, 0)};
static MM_SHAPE(partition_shape, mm_partition, partition_fields);

static const struct mm_field table_fields[] = {
    MM_ANY(
	mm_partition_facts, 0, partitions, &partition_shape, MM_PARTITIONS_MAX),
    MM_FIELD(mm_partition_facts, 1, summed, MM_BOOL, 0, 0)};
static MM_SHAPE(table_shape, mm_partition_facts, table_fields);

static const struct mm_field secure_cert_tlv_fields[] = {
    MM_FIELD(mm_secure_cert_tlv, 0, type, MM_UINT, 0, U8),
    MM_FIELD(mm_secure_cert_tlv, 1, subtype, MM_UINT, 0, U8),
    MM_FIELD(mm_secure_cert_tlv, 2, flags, MM_UINT, 0, U8),
    MM_FIELD(mm_secure_cert_tlv, 3, offset, MM_UINT, 0, U63),
    MM_FIELD(mm_secure_cert_tlv, 4, size, MM_UINT, 0, U16)};
static MM_SHAPE(
    secure_cert_tlv_shape, mm_secure_cert_tlv, secure_cert_tlv_fields);

static const struct mm_field secure_cert_fields[] = {
    MM_ANY(mm_secure_cert_facts, 0, tlvs, &secure_cert_tlv_shape,
	MM_SECURE_CERT_MAX),
    MM_OPTIONAL(mm_secure_cert_facts, 1, certificate, MM_BYTES, HASH, HASH),
    MM_FIELD(mm_secure_cert_facts, 2, plain_key, MM_BOOL, 0, 0),
    MM_FIELD(mm_secure_cert_facts, 3, covered, MM_UINT, 0, U63)};
static MM_SHAPE(secure_cert_shape, mm_secure_cert_facts, secure_cert_fields);

static const struct mm_field block_fields[] = {
    MM_FIELD(mm_signature_block, 0, family, MM_TEXT, 1, TEXT),
    MM_FIELD(mm_signature_block, 1, offset, MM_UINT, 0, U63),
    MM_OPTIONAL(mm_signature_block, 2, algorithm, MM_TEXT, 1, TEXT),
    MM_OPTIONAL(mm_signature_block, 3, key, MM_BYTES, HASH, HASH),
    MM_FIELD(mm_signature_block, 4, sound, MM_BOOL, 0, 0)};
static MM_SHAPE(block_shape, mm_signature_block, block_fields);

static const struct mm_field facts_fields[] = {
    MM_FIELD(mm_image_facts, 0, size, MM_UINT, 1, U63),
    MM_FIELD(mm_image_facts, 1, sha256, MM_FIXED, 0, HASH),
    MM_FIELD(mm_image_facts, 2, format, MM_TEXT, 1, TEXT),
    MM_FIELD(mm_image_facts, 3, length, MM_UINT, 0, U63),
    MM_FIELD(mm_image_facts, 4, trailing, MM_UINT, 0, U63),
    MM_FIELD(mm_image_facts, 5, blank, MM_BOOL, 0, 0),
    MM_OPTIONAL(mm_image_facts, 6, chip, MM_TEXT, 1, TEXT),
    MM_OPTIONAL(mm_image_facts, 7, project, MM_TEXT, 1, TEXT),
    MM_OPTIONAL(mm_image_facts, 8, version, MM_TEXT, 1, TEXT),
    MM_FIELD(mm_image_facts, 9, secure_version, MM_UINT, 0, U32),
    MM_ANY(mm_image_facts, 10, esp, &esp_shape, 1),
    MM_ANY(mm_image_facts, 11, mcuboot, &mcuboot_shape, 1),
    MM_ANY(mm_image_facts, 12, table, &table_shape, 1),
    MM_ANY(mm_image_facts, 13, secure_cert, &secure_cert_shape, 1),
    MM_ANY(
	mm_image_facts, 14, signatures, &block_shape, MM_SIGNATURE_BLOCKS_MAX)};
MM_SHAPE(mm_image_facts_shape, mm_image_facts, facts_fields);
