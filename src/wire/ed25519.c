/* Field elements are five limbs of 51 bits, points are in extended coordinates. Every scalar bit costs
 * the same point operations. Scalars modulo the group's order are libcrypto's big numbers. */
#include "wire/ed25519.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/check.h"
#include "wire/digest.h"

enum { LIMBS = 5, LIMB_BITS = 51, SCALAR_BITS = 256 };

static const uint64_t LIMB_MASK = (UINT64_C(1) << LIMB_BITS) - 1;

__extension__ typedef unsigned __int128 wide;

/* A number modulo p = 2^255 - 19. Limbs of products are below 2^52, of sums and differences of two
 * products below 2^55, which a product takes. */
struct fe {
	uint64_t limb[LIMBS];
};

/* x = X/Z, y = Y/Z, x * y = T/Z. Source: RFC 8032, 5.1.4. */
struct point {
	struct fe x;
	struct fe y;
	struct fe z;
	struct fe t;
};

/* Big-endian 64-bit words, as the constants are printed. */
static struct fe fe_of_words(uint64_t w3, uint64_t w2, uint64_t w1, uint64_t w0)
{
	return (struct fe){ {
		w0 & LIMB_MASK,
		(w0 >> 51 | w1 << 13) & LIMB_MASK,
		(w1 >> 38 | w2 << 26) & LIMB_MASK,
		(w2 >> 25 | w3 << 39) & LIMB_MASK,
		w3 >> 12,
	} };
}

static struct fe fe_add(struct fe a, struct fe b)
{
	for (size_t i = 0; i < LIMBS; i++) {
		a.limb[i] += b.limb[i];
	}
	return a;
}

/* 8p is added first, so that no limb goes below zero. */
static struct fe fe_sub(struct fe a, struct fe b)
{
	const uint64_t low = 8 * (LIMB_MASK - 18);
	const uint64_t high = 8 * LIMB_MASK;
	for (size_t i = 0; i < LIMBS; i++) {
		a.limb[i] = a.limb[i] + (i == 0 ? low : high) - b.limb[i];
	}
	return a;
}

static struct fe fe_mul(struct fe a, struct fe b)
{
	wide sum[LIMBS] = { 0 };
	for (size_t i = 0; i < LIMBS; i++) {
		for (size_t j = 0; j < LIMBS; j++) {
			/* 2^255 = 19: what overflows comes back at the low end */
			uint64_t factor = i + j < LIMBS ? 1 : 19;
			sum[(i + j) % LIMBS] += (wide)(a.limb[i] * factor) * b.limb[j];
		}
	}
	for (size_t i = 0; i < LIMBS - 1; i++) {
		sum[i + 1] += sum[i] >> LIMB_BITS;
		sum[i] &= LIMB_MASK;
	}
	sum[0] += 19 * (sum[LIMBS - 1] >> LIMB_BITS);
	sum[LIMBS - 1] &= LIMB_MASK;
	sum[1] += sum[0] >> LIMB_BITS;
	sum[0] &= LIMB_MASK;
	struct fe product;
	for (size_t i = 0; i < LIMBS; i++) {
		product.limb[i] = (uint64_t)sum[i];
	}
	return product;
}

/* 1/a = a^(p-2); p - 2 = 2^255 - 21 is all ones but for bits 2 and 4. */
static struct fe fe_invert(struct fe a)
{
	struct fe power = a;
	for (int bit = 253; bit >= 0; bit--) {
		power = fe_mul(power, power);
		if (bit != 2 && bit != 4) {
			power = fe_mul(power, a);
		}
	}
	return power;
}

/* The one form below p, little-endian. */
static void fe_print(struct fe a, uint8_t ret[ED25519_KEY_BYTES])
{
	a = fe_mul(a, fe_of_words(0, 0, 0, 1)); /* carries */
	uint64_t carry = 19;
	for (size_t i = 0; i < LIMBS; i++) {
		carry = (a.limb[i] + carry) >> LIMB_BITS;
	}
	carry *= 19; /* now 19 when a >= p: then a + 19 drops its bit 255 */
	for (size_t i = 0; i < LIMBS; i++) {
		a.limb[i] += carry;
		carry = a.limb[i] >> LIMB_BITS;
		a.limb[i] &= LIMB_MASK;
	}
	for (size_t i = 0; i < ED25519_KEY_BYTES; i++) {
		size_t bit = i * 8;
		size_t limb = bit / LIMB_BITS;
		size_t shift = bit % LIMB_BITS;
		uint64_t value = a.limb[limb] >> shift;
		if (shift > LIMB_BITS - 8 && limb + 1 < LIMBS) {
			value |= a.limb[limb + 1] << (LIMB_BITS - shift);
		}
		ret[i] = (uint8_t)value;
	}
}

/* Complete: also for equal points and the neutral one. Source: RFC 8032, 5.1.4. */
static struct point point_add(const struct point *p, const struct point *q)
{
	const struct fe d = fe_of_words(UINT64_C(0x52036cee2b6ffe73), UINT64_C(0x8cc740797779e898),
					UINT64_C(0x00700a4d4141d8ab), UINT64_C(0x75eb4dca135978a3));
	struct fe a = fe_mul(fe_sub(p->y, p->x), fe_sub(q->y, q->x));
	struct fe b = fe_mul(fe_add(p->y, p->x), fe_add(q->y, q->x));
	struct fe c = fe_mul(fe_mul(p->t, q->t), fe_add(d, d));
	struct fe z = fe_mul(p->z, fe_add(q->z, q->z));
	struct fe e = fe_sub(b, a);
	struct fe f = fe_sub(z, c);
	struct fe g = fe_add(z, c);
	struct fe h = fe_add(b, a);
	return (struct point){
		.x = fe_mul(e, f), .y = fe_mul(g, h), .z = fe_mul(f, g), .t = fe_mul(e, h)
	};
}

/* *to = bit ? *from : *to, without a branch. */
static void point_select(struct point *to, const struct point *from, uint64_t bit)
{
	uint64_t mask = 0 - bit;
	for (size_t i = 0; i < LIMBS; i++) {
		to->x.limb[i] ^= (to->x.limb[i] ^ from->x.limb[i]) & mask;
		to->y.limb[i] ^= (to->y.limb[i] ^ from->y.limb[i]) & mask;
		to->z.limb[i] ^= (to->z.limb[i] ^ from->z.limb[i]) & mask;
		to->t.limb[i] ^= (to->t.limb[i] ^ from->t.limb[i]) & mask;
	}
}

/* The scalar times the base point, in the encoding of RFC 8032, 5.1.2. */
static void multiply_base(const uint8_t scalar[ED25519_KEY_BYTES], uint8_t ret[ED25519_KEY_BYTES])
{
	const struct fe zero = fe_of_words(0, 0, 0, 0);
	const struct fe one = fe_of_words(0, 0, 0, 1);
	struct point base = {
		.x = fe_of_words(UINT64_C(0x216936d3cd6e53fe), UINT64_C(0xc0a4e231fdd6dc5c),
				 UINT64_C(0x692cc7609525a7b2), UINT64_C(0xc9562d608f25d51a)),
		.y = fe_of_words(UINT64_C(0x6666666666666666), UINT64_C(0x6666666666666666),
				 UINT64_C(0x6666666666666666), UINT64_C(0x6666666666666658)),
		.z = one,
	};
	base.t = fe_mul(base.x, base.y);
	struct point sum = { .x = zero, .y = one, .z = one, .t = zero };
	for (int bit = SCALAR_BITS - 1; bit >= 0; bit--) {
		sum = point_add(&sum, &sum);
		struct point more = point_add(&sum, &base);
		point_select(&sum, &more, (uint64_t)(scalar[bit / 8] >> (bit % 8)) & 1);
	}
	uint8_t x[ED25519_KEY_BYTES];
	struct fe scale = fe_invert(sum.z);
	fe_print(fe_mul(sum.x, scale), x);
	fe_print(fe_mul(sum.y, scale), ret);
	ret[ED25519_KEY_BYTES - 1] |= (uint8_t)((x[0] & 1) << 7);
	OPENSSL_cleanse(&sum, sizeof(sum));
}

/* The two halves of a seed's hash: the secret scalar and the prefix. Source: RFC 8032, 5.1.5. */
static void expand(struct str seed, uint8_t ret[DIGEST_SHA512_BYTES])
{
	digest_sha512(&seed, 1, ret);
	ret[0] &= 0xf8;
	ret[31] &= 0x7f;
	ret[31] |= 0x40;
}

void ed25519_public(struct str seed, uint8_t ret[ED25519_KEY_BYTES])
{
	uint8_t secret[DIGEST_SHA512_BYTES];
	expand(seed, secret);
	multiply_base(secret, ret);
	OPENSSL_cleanse(secret, sizeof(secret));
}

/* Numbers modulo the order of the base point. libcrypto fails here for want of memory only. */
struct order {
	BN_CTX *ctx;
	BIGNUM *modulus;
	BIGNUM *r;
	BIGNUM *k;
	BIGNUM *s;
};

/* L = 2^252 + 27742317777372353535851937790883648493. */
static void order_init(struct order *order)
{
	order->ctx = BN_CTX_secure_new();
	order->modulus = NULL;
	check(order->ctx &&
	      BN_hex2bn(&order->modulus,
			"1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed") > 0);
	order->r = BN_secure_new();
	order->k = BN_new();
	order->s = BN_secure_new();
	check(order->r && order->k && order->s);
}

static void order_fini(struct order *order)
{
	BN_clear_free(order->r);
	BN_free(order->k);
	BN_clear_free(order->s);
	BN_free(order->modulus);
	BN_CTX_free(order->ctx);
}

static void load(const struct order *order, const uint8_t *bytes, size_t count, BIGNUM *ret)
{
	check(BN_lebin2bn(bytes, (int)count, ret) &&
	      BN_nnmod(ret, ret, order->modulus, order->ctx));
}

/* signature[32..63] = r + hash(R, key, message) * secret. Source: RFC 8032, 5.1.6, steps 4 and 5. */
static void answer(struct order *order, const uint8_t secret[ED25519_KEY_BYTES],
		   const struct str *parts, uint8_t *signature)
{
	uint8_t hash[DIGEST_SHA512_BYTES];
	digest_sha512(parts, 3, hash);
	load(order, hash, sizeof(hash), order->k);
	load(order, secret, ED25519_KEY_BYTES, order->s);
	check(BN_mod_mul(order->s, order->s, order->k, order->modulus, order->ctx) &&
	      BN_mod_add(order->s, order->s, order->r, order->modulus, order->ctx) &&
	      BN_bn2lebinpad(order->s, signature + ED25519_KEY_BYTES, ED25519_KEY_BYTES) ==
		      ED25519_KEY_BYTES);
}

void ed25519_sign(struct str seed, struct str message, uint8_t ret[ED25519_SIGNATURE_BYTES])
{
	uint8_t secret[DIGEST_SHA512_BYTES];
	uint8_t key[ED25519_KEY_BYTES];
	uint8_t hash[DIGEST_SHA512_BYTES];
	uint8_t r[ED25519_KEY_BYTES];
	struct order order;

	order_init(&order);
	expand(seed, secret);
	multiply_base(secret, key);
	struct str nonce_parts[] = { digest_part(secret + ED25519_KEY_BYTES, ED25519_KEY_BYTES),
				     message };
	digest_sha512(nonce_parts, 2, hash); /* step 2 */
	load(&order, hash, sizeof(hash), order.r);
	check(BN_bn2lebinpad(order.r, r, sizeof(r)) == (int)sizeof(r));
	multiply_base(r, ret); /* step 3 */
	struct str parts[] = { digest_part(ret, ED25519_KEY_BYTES),
			       digest_part(key, ED25519_KEY_BYTES), message };
	answer(&order, secret, parts, ret);
	order_fini(&order);
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(hash, sizeof(hash));
	OPENSSL_cleanse(r, sizeof(r));
}
