--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.20 (Debian 15.20-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: backref; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA backref;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: changes; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.changes (
    repository text NOT NULL COLLATE pg_catalog."C",
    about bytea NOT NULL,
    gone bigint NOT NULL,
    came bigint NOT NULL
);


--
-- Name: checkpoints; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.checkpoints (
    generation integer NOT NULL,
    checkpoint bytea NOT NULL
);


--
-- Name: history; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.history (
    sequence bigint NOT NULL,
    at timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');


--
-- Name: intent_ids; Type: SEQUENCE; Schema: backref; Owner: -
--

CREATE SEQUENCE backref.intent_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: intents; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.intents (
    id bigint NOT NULL,
    kind smallint NOT NULL,
    repository text NOT NULL COLLATE pg_catalog."C",
    about bytea NOT NULL,
    subject bytea,
    intent bytea NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');


--
-- Name: leases; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.leases (
    name text NOT NULL COLLATE pg_catalog."C",
    holder text NOT NULL,
    until timestamp with time zone NOT NULL,
    next text DEFAULT ''::text NOT NULL,
    next_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);


--
-- Name: made; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.made (
    repository text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    at bytea NOT NULL
);


--
-- Name: manifests; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.manifests (
    stamp bigint NOT NULL,
    repository integer NOT NULL,
    digest bytea NOT NULL,
    subject bytea,
    created bytea,
    artifact_type bytea NOT NULL,
    shown bytea NOT NULL,
    kept bytea NOT NULL
);


--
-- Name: meta; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.meta (
    one boolean DEFAULT true NOT NULL,
    format integer NOT NULL,
    live integer NOT NULL,
    building integer NOT NULL,
    given integer NOT NULL,
    mirrored boolean NOT NULL,
    horizon bigint NOT NULL,
    CONSTRAINT meta_one_check CHECK (one)
);


--
-- Name: outbox; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.outbox (
    number bigint NOT NULL,
    repository text NOT NULL COLLATE pg_catalog."C",
    subject bytea NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000');


--
-- Name: outbox_numbers; Type: SEQUENCE; Schema: backref; Owner: -
--

CREATE SEQUENCE backref.outbox_numbers
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: parents; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.parents (
    repository integer NOT NULL,
    kind smallint NOT NULL,
    target bytea NOT NULL,
    digest bytea NOT NULL
);


--
-- Name: passes; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.passes (
    id integer NOT NULL,
    generation integer NOT NULL,
    against integer NOT NULL,
    repository text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL
);


--
-- Name: passes_id_seq; Type: SEQUENCE; Schema: backref; Owner: -
--

ALTER TABLE backref.passes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME backref.passes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: repositories; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.repositories (
    id integer NOT NULL,
    generation integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C"
);


--
-- Name: repositories_id_seq; Type: SEQUENCE; Schema: backref; Owner: -
--

ALTER TABLE backref.repositories ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME backref.repositories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: served; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.served (
    repository text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL,
    tag text NOT NULL,
    until bigint NOT NULL,
    body bytea NOT NULL
);


--
-- Name: steps; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.steps (
    step integer NOT NULL,
    made timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: unheld; Type: TABLE; Schema: backref; Owner: -
--

CREATE TABLE backref.unheld (
    repository text NOT NULL COLLATE pg_catalog."C",
    digest bytea NOT NULL
);


--
-- Data for Name: changes; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.changes VALUES ('app', '\x01ec2f1866925a041c1abd5532ab8e741894fd6bab8a63adf33899c86af6d1de2b', 22, 0);
INSERT INTO backref.changes VALUES ('app', '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09', 23, 0);


--
-- Data for Name: checkpoints; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.checkpoints VALUES (2, '\x68616c6620776179');


--
-- Data for Name: history; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.history VALUES (24, '2026-11-30 11:34:33.867523+00');


--
-- Data for Name: intents; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.intents VALUES (22, 1, 'app', '\x01ed0be46ac138c5a276406ee6ae35d3cf5d1f118bab4150a241faa04dccc69927', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x00eaefbb950db0090021016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d1e6170706c69636174696f6e2f766e642e6578616d706c652e7075736865645a01f4077b226f72672e6578616d706c652e6e616d65223a22707573686564222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30345431353a30343a30355a227d4b8aa8bc950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff9303013bf9b3736373a7121e30e6ebf557c66646c45c361eb9d6b67543006a7d581224');
INSERT INTO backref.intents VALUES (23, 2, 'app', '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09', NULL, '\x008aa8bc950db0090000000300000007ffdb8ff9ce0300');
INSERT INTO backref.intents VALUES (24, 3, 'app', '\x007368613235362d36313035643663633736616634303033323565393464353838636535313162653562666462623733623433376463353165636134333931376437613433653364', NULL, '\x00aae0bc950db009477368613235362d3631303564366363373661663430303332356539346435383863653531316265356266646262373362343337646335316563613433393137643761343365336400000300000007ffdb8ff9ce0300');


--
-- Data for Name: leases; Type: TABLE DATA; Schema: backref; Owner: -
--



--
-- Data for Name: made; Type: TABLE DATA; Schema: backref; Owner: -
--



--
-- Data for Name: manifests; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.manifests VALUES (1, 1, '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', NULL, NULL, '\x', '\x01a413', '\xcad6b9950db0090201b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e3439100301dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85');
INSERT INTO backref.manifests VALUES (2, 1, '\x01b301c2f262167106c9367be5e5711a234782fd8e5b2c17dffaad053b905972ca', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x8000000069575fd500000258', '\x6170706c69636174696f6e2f2271756f746564225c74797065', '\x01ee077b22223a226e6f206e616d65222c22613c623e2663223a226c696e655c6e627265616b205c7532303238205c2271756f7465735c22222c22c3a4223a225c75303030307f227d', '\xaaffba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301f367e295891820c0032c1a918b99e4358ea6215925c2321adb25f41d80129a70');
INSERT INTO backref.manifests VALUES (3, 1, '\x010e91d14261e7ee7e2b9632ca00bd348d611b515c5642ab076139ed10b8593373', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x8000000069576de500000258', '\x', '\x02f007', '\xcab7bb950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff9303012e6c157c2d6cc1277f54e7677956acb15eb0a8ed18e91218f83836fcd1156734');
INSERT INTO backref.manifests VALUES (4, 1, '\x01c92fc52d6a846609f4820f0d80bceeb0f530b73bc4490b6f0e4217d759bf3c5a', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006959f4c500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e6f74686572', '\x03f2077b226f72672e6578616d706c652e6e616d65223a226f74686572222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30345430353a30343a30355a227d', '\xeaefbb950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301ff6f4ad77c910ee1479f7e2efd1adf623373e8414f814cba389f9a1a26c53664');
INSERT INTO backref.manifests VALUES (5, 2, '\x0381272eedec36d7d4ab9b6dcc8f3b84cca9f2383d545213ca0a6326983af7bb0c869f17dd06c95c89322122997144a32da80af27e8f976e97d2c5cf55e3ae8b37', '\x03eb31d04da633dc9f49dfbd66cdb92fbb9b4f9c9be67914c0209b5dd31cc65a136e1cdce7d0db88112e3a759131b9d970cfaac7ee77ccd620c3dd49043f88958e', '\x800000006959682500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e6c6f6e67', '\x01f0077b226f72672e6578616d706c652e6e616d65223a226c6f6e67222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30335431393a30343a30355a227d', '\xcab7bb950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301e25c37495332b4adc3402f5c241ec39be9dfa9f1646b890c3f873599a83487d3');
INSERT INTO backref.manifests VALUES (6, 1, '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006959682500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e73626f6d', '\x01f0077b226f72672e6578616d706c652e6e616d65223a2273626f6d222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30335431393a30343a30355a227d', '\xcab7bb950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301212d5ae9ec90de552affaf22b7d32ce39c9260235ba5725c4d45e67695a916a7');
INSERT INTO backref.manifests VALUES (7, 1, '\x01edf15124212bc2a997bec66f3066c80f06615e7f934c24427e5829511ff14562', '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09', '\x80000000695c274500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e7369676e6174757265', '\x01fa077b226f72672e6578616d706c652e6e616d65223a227369676e6174757265222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30355432313a30343a30355a227d', '\xead0bd950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301c13cff1ee0449f146bb025bbd8c436460070a2b6fef1add472ce254c763f5b35');
INSERT INTO backref.manifests VALUES (8, 3, '\x016439e5605c9f82072fbebf09f5730196a1a496921d3da4e93bbaf21dfbdf9f9e', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e30', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2230222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301ee26d2ad7e19f6a9c19bb3d7c6086aebb51d6f2c625f9155509ef0f52c9602f0');
INSERT INTO backref.manifests VALUES (9, 3, '\x01f704638b5ae224c9b2460440bbd785a1691f2572d829a7476b291a965a08320a', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e31', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2231222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff9303016db57646a139922226332e34ac9e2d73f47edbfcc7a37acc80db3f2bd6e06909');
INSERT INTO backref.manifests VALUES (10, 3, '\x010984b8a8a5d5cffea9bf00c894d3be1cdab7fbe2e01fc3744c918759ad19355e', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e32', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2232222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93030195c1e5a1b2ae834a0b283cbfadca8a83871c9c1d0ee7f2108501bc384d405a08');
INSERT INTO backref.manifests VALUES (11, 3, '\x013a8c8a9a51a19a6cf7566628936a686a3ef514c68f28684a329b64acb1c20c5a', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e33', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2233222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301b75a6e8a7374ebf12b3f8aed753d4eef2990dab1a742beb940a0f7bc7374741f');
INSERT INTO backref.manifests VALUES (12, 3, '\x01be4cd3763c77294cc59468f71890208e83c4f438713fac19e67fa801baac171e', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e34', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2234222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301761955c3324cf64fdc784ddf64bac350160c7c5fafab96c33731def425544d10');
INSERT INTO backref.manifests VALUES (13, 3, '\x014351559a4454ad353173e6a58a061071c807e4dc569d68451bbf0f060a1c9d68', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e35', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2235222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301b841c87eacc8182cea269ba9207ca0f21fbee7886c3c6b6b4047f623cf5e610b');
INSERT INTO backref.manifests VALUES (14, 3, '\x011422f40650df8d2865e11283d916efc5c65b36d23004fce60ef9653378c6f563', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e36', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2236222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff9303015f6df8ee337db20ba9ca694942df3e6c15bb881aa86f804fccc4fb1300185678');
INSERT INTO backref.manifests VALUES (15, 3, '\x018125bed9ada404ba42840351381439155339d2e2796001728f1df48f349bf9d3', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e37', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2237222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301723279670a378b2f7a44b614d8bd857f6b2fa2df87c76afda6b577825f49c149');
INSERT INTO backref.manifests VALUES (16, 3, '\x013ce0a70019d7cdd27693e7d7f059a4d9a6e4451af4b138e5fef349ee833807b1', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e38', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2238222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301e97688e21e2432b2e09cbad9442a5476a691ab30fe56e8e55252d837c8c5a5d8');
INSERT INTO backref.manifests VALUES (17, 3, '\x019249bdfd9f8c77bfad9a8c83424390d8722b3475648c695914b3e108a1b06c37', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x800000006957c24500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e39', '\x01ea077b226f72672e6578616d706c652e6e616d65223a2239222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325431333a30343a30355a227d', '\xea8eba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301f1fb4ead05de85e27d5b485658f04b88c78b1bee24637b5be3628a6c3f39a438');
INSERT INTO backref.manifests VALUES (18, 3, '\x0167307aa4388f5504158f20e6ca9800f6ff360231d22cf1138803e99b2864be59', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x8000000069584ee500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e3130', '\x01ec077b226f72672e6578616d706c652e6e616d65223a223130222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325432333a30343a30355a227d', '\x8ac7ba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301444d06f60731886ed129a4283d9d3b4329dcff5e82fbce13d5c50b34edad4dd2');
INSERT INTO backref.manifests VALUES (19, 3, '\x01c00a5a9228441d344f090718b955fc0c054a0bef87e9a31ff26263286cad233c', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x8000000069584ee500000000', '\x6170706c69636174696f6e2f766e642e6578616d706c652e3131', '\x01ec077b226f72672e6578616d706c652e6e616d65223a223131222c226f72672e6f70656e636f6e7461696e6572732e696d6167652e63726561746564223a22323032362d30312d30325432333a30343a30355a227d', '\x8ac7ba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301c02c2860f264805d4920f3004be128dca8c76c24f6c509e113ca97976598ead3');
INSERT INTO backref.manifests VALUES (24, 4, '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', NULL, NULL, '\x', '\x01a413', '\xcad6b9950db0090201b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e3439100301dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85');
INSERT INTO backref.manifests VALUES (24, 4, '\x01b301c2f262167106c9367be5e5711a234782fd8e5b2c17dffaad053b905972ca', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d', '\x8000000069575fd500000258', '\x6170706c69636174696f6e2f2271756f746564225c74797065', '\x01ee077b22223a226e6f206e616d65222c22613c623e2663223a226c696e655c6e627265616b205c7532303238205c2271756f7465735c22222c22c3a4223a225c75303030307f227d', '\xaaffba950db0090201043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff930301f367e295891820c0032c1a918b99e4358ea6215925c2321adb25f41d80129a70');


--
-- Data for Name: meta; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.meta VALUES (true, 1, 1, 2, 2, true, 0);


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.outbox VALUES (1, 'zoo/many', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d');
INSERT INTO backref.outbox VALUES (2, 'team/app', '\x03eb31d04da633dc9f49dfbd66cdb92fbb9b4f9c9be67914c0209b5dd31cc65a136e1cdce7d0db88112e3a759131b9d970cfaac7ee77ccd620c3dd49043f88958e');
INSERT INTO backref.outbox VALUES (4, 'app', '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09');
INSERT INTO backref.outbox VALUES (6, 'app', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d');


--
-- Data for Name: parents; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.parents VALUES (1, 2, '\x01b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d');
INSERT INTO backref.parents VALUES (1, 3, '\x01dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d');
INSERT INTO backref.parents VALUES (1, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01b301c2f262167106c9367be5e5711a234782fd8e5b2c17dffaad053b905972ca');
INSERT INTO backref.parents VALUES (1, 3, '\x01f367e295891820c0032c1a918b99e4358ea6215925c2321adb25f41d80129a70', '\x01b301c2f262167106c9367be5e5711a234782fd8e5b2c17dffaad053b905972ca');
INSERT INTO backref.parents VALUES (1, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x010e91d14261e7ee7e2b9632ca00bd348d611b515c5642ab076139ed10b8593373');
INSERT INTO backref.parents VALUES (1, 3, '\x012e6c157c2d6cc1277f54e7677956acb15eb0a8ed18e91218f83836fcd1156734', '\x010e91d14261e7ee7e2b9632ca00bd348d611b515c5642ab076139ed10b8593373');
INSERT INTO backref.parents VALUES (1, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01c92fc52d6a846609f4820f0d80bceeb0f530b73bc4490b6f0e4217d759bf3c5a');
INSERT INTO backref.parents VALUES (1, 3, '\x01ff6f4ad77c910ee1479f7e2efd1adf623373e8414f814cba389f9a1a26c53664', '\x01c92fc52d6a846609f4820f0d80bceeb0f530b73bc4490b6f0e4217d759bf3c5a');
INSERT INTO backref.parents VALUES (2, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x0381272eedec36d7d4ab9b6dcc8f3b84cca9f2383d545213ca0a6326983af7bb0c869f17dd06c95c89322122997144a32da80af27e8f976e97d2c5cf55e3ae8b37');
INSERT INTO backref.parents VALUES (2, 3, '\x01e25c37495332b4adc3402f5c241ec39be9dfa9f1646b890c3f873599a83487d3', '\x0381272eedec36d7d4ab9b6dcc8f3b84cca9f2383d545213ca0a6326983af7bb0c869f17dd06c95c89322122997144a32da80af27e8f976e97d2c5cf55e3ae8b37');
INSERT INTO backref.parents VALUES (1, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09');
INSERT INTO backref.parents VALUES (1, 3, '\x01212d5ae9ec90de552affaf22b7d32ce39c9260235ba5725c4d45e67695a916a7', '\x01bdb3b2cd8cc7c481fee478aad543d85392887edcec99ca0f99fffa270246ec09');
INSERT INTO backref.parents VALUES (1, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01edf15124212bc2a997bec66f3066c80f06615e7f934c24427e5829511ff14562');
INSERT INTO backref.parents VALUES (1, 3, '\x01c13cff1ee0449f146bb025bbd8c436460070a2b6fef1add472ce254c763f5b35', '\x01edf15124212bc2a997bec66f3066c80f06615e7f934c24427e5829511ff14562');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x016439e5605c9f82072fbebf09f5730196a1a496921d3da4e93bbaf21dfbdf9f9e');
INSERT INTO backref.parents VALUES (3, 3, '\x01ee26d2ad7e19f6a9c19bb3d7c6086aebb51d6f2c625f9155509ef0f52c9602f0', '\x016439e5605c9f82072fbebf09f5730196a1a496921d3da4e93bbaf21dfbdf9f9e');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01f704638b5ae224c9b2460440bbd785a1691f2572d829a7476b291a965a08320a');
INSERT INTO backref.parents VALUES (3, 3, '\x016db57646a139922226332e34ac9e2d73f47edbfcc7a37acc80db3f2bd6e06909', '\x01f704638b5ae224c9b2460440bbd785a1691f2572d829a7476b291a965a08320a');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x010984b8a8a5d5cffea9bf00c894d3be1cdab7fbe2e01fc3744c918759ad19355e');
INSERT INTO backref.parents VALUES (3, 3, '\x0195c1e5a1b2ae834a0b283cbfadca8a83871c9c1d0ee7f2108501bc384d405a08', '\x010984b8a8a5d5cffea9bf00c894d3be1cdab7fbe2e01fc3744c918759ad19355e');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x013a8c8a9a51a19a6cf7566628936a686a3ef514c68f28684a329b64acb1c20c5a');
INSERT INTO backref.parents VALUES (3, 3, '\x01b75a6e8a7374ebf12b3f8aed753d4eef2990dab1a742beb940a0f7bc7374741f', '\x013a8c8a9a51a19a6cf7566628936a686a3ef514c68f28684a329b64acb1c20c5a');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01be4cd3763c77294cc59468f71890208e83c4f438713fac19e67fa801baac171e');
INSERT INTO backref.parents VALUES (3, 3, '\x01761955c3324cf64fdc784ddf64bac350160c7c5fafab96c33731def425544d10', '\x01be4cd3763c77294cc59468f71890208e83c4f438713fac19e67fa801baac171e');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x014351559a4454ad353173e6a58a061071c807e4dc569d68451bbf0f060a1c9d68');
INSERT INTO backref.parents VALUES (3, 3, '\x01b841c87eacc8182cea269ba9207ca0f21fbee7886c3c6b6b4047f623cf5e610b', '\x014351559a4454ad353173e6a58a061071c807e4dc569d68451bbf0f060a1c9d68');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x011422f40650df8d2865e11283d916efc5c65b36d23004fce60ef9653378c6f563');
INSERT INTO backref.parents VALUES (3, 3, '\x015f6df8ee337db20ba9ca694942df3e6c15bb881aa86f804fccc4fb1300185678', '\x011422f40650df8d2865e11283d916efc5c65b36d23004fce60ef9653378c6f563');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x018125bed9ada404ba42840351381439155339d2e2796001728f1df48f349bf9d3');
INSERT INTO backref.parents VALUES (3, 3, '\x01723279670a378b2f7a44b614d8bd857f6b2fa2df87c76afda6b577825f49c149', '\x018125bed9ada404ba42840351381439155339d2e2796001728f1df48f349bf9d3');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x013ce0a70019d7cdd27693e7d7f059a4d9a6e4451af4b138e5fef349ee833807b1');
INSERT INTO backref.parents VALUES (3, 3, '\x01e97688e21e2432b2e09cbad9442a5476a691ab30fe56e8e55252d837c8c5a5d8', '\x013ce0a70019d7cdd27693e7d7f059a4d9a6e4451af4b138e5fef349ee833807b1');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x019249bdfd9f8c77bfad9a8c83424390d8722b3475648c695914b3e108a1b06c37');
INSERT INTO backref.parents VALUES (3, 3, '\x01f1fb4ead05de85e27d5b485658f04b88c78b1bee24637b5be3628a6c3f39a438', '\x019249bdfd9f8c77bfad9a8c83424390d8722b3475648c695914b3e108a1b06c37');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x0167307aa4388f5504158f20e6ca9800f6ff360231d22cf1138803e99b2864be59');
INSERT INTO backref.parents VALUES (3, 3, '\x01444d06f60731886ed129a4283d9d3b4329dcff5e82fbce13d5c50b34edad4dd2', '\x0167307aa4388f5504158f20e6ca9800f6ff360231d22cf1138803e99b2864be59');
INSERT INTO backref.parents VALUES (3, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01c00a5a9228441d344f090718b955fc0c054a0bef87e9a31ff26263286cad233c');
INSERT INTO backref.parents VALUES (3, 3, '\x01c02c2860f264805d4920f3004be128dca8c76c24f6c509e113ca97976598ead3', '\x01c00a5a9228441d344f090718b955fc0c054a0bef87e9a31ff26263286cad233c');
INSERT INTO backref.parents VALUES (4, 2, '\x01b79606fb3afea5bd1609ed40b622142f1c98125abcfe89a76a661b0e8e343910', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d');
INSERT INTO backref.parents VALUES (4, 3, '\x01dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85', '\x016105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d');
INSERT INTO backref.parents VALUES (4, 2, '\x01043b36a54f76fe2ac66d6293dbf2ec5298e301566cf02d7d4f9391bc637dff93', '\x01b301c2f262167106c9367be5e5711a234782fd8e5b2c17dffaad053b905972ca');
INSERT INTO backref.parents VALUES (4, 3, '\x01f367e295891820c0032c1a918b99e4358ea6215925c2321adb25f41d80129a70', '\x01b301c2f262167106c9367be5e5711a234782fd8e5b2c17dffaad053b905972ca');


--
-- Data for Name: passes; Type: TABLE DATA; Schema: backref; Owner: -
--



--
-- Data for Name: repositories; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.repositories OVERRIDING SYSTEM VALUE VALUES (1, 1, 'app');
INSERT INTO backref.repositories OVERRIDING SYSTEM VALUE VALUES (2, 1, 'team/app');
INSERT INTO backref.repositories OVERRIDING SYSTEM VALUE VALUES (3, 1, 'zoo/many');
INSERT INTO backref.repositories OVERRIDING SYSTEM VALUE VALUES (4, 2, 'app');


--
-- Data for Name: served; Type: TABLE DATA; Schema: backref; Owner: -
--



--
-- Data for Name: steps; Type: TABLE DATA; Schema: backref; Owner: -
--

INSERT INTO backref.steps VALUES (1, '2026-11-30 11:34:33.430514+00');
INSERT INTO backref.steps VALUES (2, '2026-11-30 11:34:33.430514+00');
INSERT INTO backref.steps VALUES (3, '2026-11-30 11:34:33.430514+00');
INSERT INTO backref.steps VALUES (4, '2026-11-30 11:34:33.430514+00');
INSERT INTO backref.steps VALUES (5, '2026-11-30 11:34:33.430514+00');


--
-- Data for Name: unheld; Type: TABLE DATA; Schema: backref; Owner: -
--



--
-- Name: intent_ids; Type: SEQUENCE SET; Schema: backref; Owner: -
--

SELECT pg_catalog.setval('backref.intent_ids', 24, true);


--
-- Name: outbox_numbers; Type: SEQUENCE SET; Schema: backref; Owner: -
--

SELECT pg_catalog.setval('backref.outbox_numbers', 6, true);


--
-- Name: passes_id_seq; Type: SEQUENCE SET; Schema: backref; Owner: -
--

SELECT pg_catalog.setval('backref.passes_id_seq', 1, true);


--
-- Name: repositories_id_seq; Type: SEQUENCE SET; Schema: backref; Owner: -
--

SELECT pg_catalog.setval('backref.repositories_id_seq', 4, true);


--
-- Name: changes changes_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.changes
    ADD CONSTRAINT changes_pkey PRIMARY KEY (repository, about);


--
-- Name: checkpoints checkpoints_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (generation);


--
-- Name: history history_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (sequence);


--
-- Name: intents intents_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.intents
    ADD CONSTRAINT intents_pkey PRIMARY KEY (id);


--
-- Name: leases leases_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);


--
-- Name: made made_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.made
    ADD CONSTRAINT made_pkey PRIMARY KEY (repository, digest);


--
-- Name: manifests manifests_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.manifests
    ADD CONSTRAINT manifests_pkey PRIMARY KEY (repository, digest);


--
-- Name: meta meta_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (one);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (number);


--
-- Name: outbox outbox_repository_subject_key; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.outbox
    ADD CONSTRAINT outbox_repository_subject_key UNIQUE (repository, subject);


--
-- Name: parents parents_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (repository, target, digest, kind);


--
-- Name: passes passes_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.passes
    ADD CONSTRAINT passes_pkey PRIMARY KEY (id);


--
-- Name: repositories repositories_generation_name_key; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.repositories
    ADD CONSTRAINT repositories_generation_name_key UNIQUE (generation, name);


--
-- Name: repositories repositories_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.repositories
    ADD CONSTRAINT repositories_pkey PRIMARY KEY (id);


--
-- Name: served served_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.served
    ADD CONSTRAINT served_pkey PRIMARY KEY (repository, digest);


--
-- Name: steps steps_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (step);


--
-- Name: unheld unheld_pkey; Type: CONSTRAINT; Schema: backref; Owner: -
--

ALTER TABLE ONLY backref.unheld
    ADD CONSTRAINT unheld_pkey PRIMARY KEY (repository, digest);


--
-- Name: changes_last; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX changes_last ON backref.changes USING btree (GREATEST(gone, came));


--
-- Name: intents_about; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX intents_about ON backref.intents USING btree (repository, about);


--
-- Name: intents_delete; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX intents_delete ON backref.intents USING btree (repository) WHERE (kind = 2);


--
-- Name: intents_subject; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX intents_subject ON backref.intents USING btree (repository, subject) WHERE (subject IS NOT NULL);


--
-- Name: manifests_created; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX manifests_created ON backref.manifests USING btree (repository, subject, created, digest) WHERE (subject IS NOT NULL);


--
-- Name: manifests_subject; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX manifests_subject ON backref.manifests USING btree (repository, subject, digest) WHERE (subject IS NOT NULL);


--
-- Name: served_until; Type: INDEX; Schema: backref; Owner: -
--

CREATE INDEX served_until ON backref.served USING btree (until, repository, digest);


--
-- PostgreSQL database dump complete
--


