package config

import (
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// Config is everything that can be set. The zero value is not usable: start
// from [Default].
type Config struct {
	Server      Server      `key:"server" doc:"The listener that registry clients talk to."`
	Admin       Admin       `key:"admin" doc:"The listener for operators: health, metrics, profiles."`
	Upstream    Upstream    `key:"upstream" doc:"The registry behind backref."`
	Auth        Auth        `key:"auth" doc:"How clients prove who they are, and what they may do."`
	Artifacts   Artifacts   `key:"artifacts" doc:"Which artifact types may be pushed and pulled."`
	Audit       Audit       `key:"audit" doc:"What is kept of denials and deletions."`
	Index       Index       `key:"index" doc:"Where the index is kept."`
	Referrers   Referrers   `key:"referrers" doc:"How referrers are found and listed."`
	Tags        Tags        `key:"tags" doc:"How tags are listed, and which of them stay what they are."`
	Delete      Delete      `key:"delete" doc:"What goes with a manifest that is deleted."`
	Reconcile   Reconcile   `key:"reconcile" doc:"What runs beside requests; in the background only with upstream.service."`
	Coverage    Coverage    `key:"coverage" doc:"Which images are watched for what they lack: see coverage.md."`
	Retention   Retention   `key:"retention" doc:"Which referrers stay, and which are deleted: see lifecycle.md."`
	Notices     Notices     `key:"notices" doc:"Who is told of new referrers: see notices.md."`
	Verify      Verify      `key:"verify" doc:"Whose signatures are verified: see verification.md."`
	Permissions Permissions `key:"permissions" doc:"How it is decided who may see a listing."`
	Cache       Cache       `key:"cache" doc:"What is kept in memory to answer faster. Who may see it is decided as without."`
	Limits      Limits      `key:"limits" doc:"Bounds on what requests may use."`
	UI          UI          `key:"ui" doc:"The web page: what the registry holds, for people. See pages.md."`
	Log         Log         `key:"log" doc:"What is logged, and how."`
	Reload      Reload      `key:"reload" doc:"When the configuration is read again."`
	Tracing     Tracing     `key:"tracing" doc:"Traces of requests and maintenance, by OpenTelemetry. What is not said here is taken from the OTEL_ variables, such as OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_HEADERS."`
}

// Server configures the listener that registry clients talk to.
type Server struct {
	Listen            string         `key:"listen" doc:"Address to listen on, host:port; an empty host means all."`
	Listeners         []Listener     `key:"listeners" doc:"Further addresses for registry clients, each with a name that artifacts.rules may go by. What is said of the listener at server.listen, TLS and limits included, holds for them too."`
	PublicURL         *url.URL       `key:"publicURL" doc:"The URL by which clients reach backref, without /v2, where a proxy before it does not say so: for auth.realm rewrite, and for the path where that proxy takes one away."`
	TrustedProxies    []netip.Prefix `key:"trustedProxies" doc:"Addresses of proxies whose Forwarded and X-Forwarded-* headers are believed, as CIDR prefixes."`
	TLS               ServerTLS      `key:"tls" doc:"Serve HTTPS (HTTP/1.1 and HTTP/2) instead of plain HTTP."`
	ShutdownDelay     time.Duration  `key:"shutdownDelay" doc:"How long requests are still taken after SIGTERM, while /readyz is 503 already: so that load balancers stop sending them before. server.drainTimeout comes after it."`
	DrainTimeout      time.Duration  `key:"drainTimeout" doc:"How long requests under way may take to finish after SIGTERM. 0 breaks them off."`
	ReadHeaderTimeout time.Duration  `key:"readHeaderTimeout" doc:"How long a client may take to send the header of a request."`
	IdleTimeout       time.Duration  `key:"idleTimeout" doc:"How long a connection without a request is kept."`
	MaxHeaderBytes    Size           `key:"maxHeaderBytes" doc:"The largest request header."`
}

// Admin configures the listener for operators.
type Admin struct {
	Listen        string      `key:"listen" doc:"Address of the admin listener, host:port; empty turns it off."`
	TokenFile     string      `key:"tokenFile" doc:"File with the token that operators and the registry's notifications send as Authorization: Bearer. Without one only clients on the same machine may change or read anything but health, metrics and profiles." reload:"true" file:"true"`
	ReadyUpstream bool        `key:"readyUpstream" doc:"Whether /readyz is 503 also while the registry can't be used. All replicas stop being ready together then; without it, clients get the errors of the registry."`
	TLS           ServerTLS   `key:"tls" doc:"Serve HTTPS on the admin listener instead of plain HTTP."`
	Client        AdminClient `key:"client" doc:"How the command line reaches an admin listener that serves HTTPS."`
}

// Upstream configures the registry behind backref.
type Upstream struct {
	URL                *url.URL         `key:"url" doc:"Base URL of the registry, http or https, without /v2." required:"true"`
	Service            UpstreamService  `key:"service" doc:"Who backref is to the registry when it asks for itself: in the background, for rebuilds, and for events; with auth.mode service, for everything."`
	TLS                UpstreamTLS      `key:"tls" doc:"How the registry proves who it is, and backref to the registry, where the URL begins with https://."`
	Timeouts           UpstreamTimeouts `key:"timeouts" doc:"How long each phase of a request to the registry may take."`
	Namespaces         []string         `key:"namespaces" doc:"The names that this registry goes by, each a host with its port if any: a request of a mirror's client that names one of them (ns) is about this very registry. Of a client that gives another name only what the registry, asked by that name, says it has is shown."`
	CheckInterval      time.Duration    `key:"checkInterval" doc:"How often it is looked whether the registry can be used: reached, spoken to, signed in to with upstream.service. What is found goes to the log when it changes, and to backref_upstream_up. 0 looks until it could be used once."`
	MaxIdleConnections int              `key:"maxIdleConnections" doc:"The most idle connections to the registry that are kept for reuse."`
	Transport          string           `key:"transport" doc:"How requests without a body are sent over HTTP/1.1: own by connections of backref's, which move large bodies from socket to socket, standard by Go's net/http as all others are. Answers are the same; standard is slower." enum:"own,standard"`
	Cache              bool             `key:"cache" doc:"The registry is a pull-through cache, which has no referrers of its own: a listing in a repository that referrers.sources names no source for is an error then, since it would be short."`
	Shims              UpstreamShims    `key:"shims" doc:"What is made up for where the registry refuses it, or answers it wrongly. Each acts then only: what a registry does right passes as it came."`
	Routes             []UpstreamRoute  `key:"routes" doc:"Further registries, each with the repositories below a prefix. All others are at upstream.url. See routes.md."`
}

// UpstreamShims says what is made up for that a registry lacks.
type UpstreamShims struct {
	Ranges    bool `key:"ranges" doc:"Whether ranges of blobs are answered as they should be where the registry gets them wrong: one that can't be satisfied by 416 where it breaks off (Distribution 2.8), one of the last bytes, or that goes on to the end or beyond it, by what there is of it where the registry refuses it (go-containerregistry, which crane serves)."`
	Locations bool `key:"locations" doc:"Whether the answer to a push says where the blob or manifest is, where the registry does not (go-containerregistry, which crane serves)."`
	Asked     bool `key:"asked" doc:"Whether the answer to a push or pull of a manifest by a digest such as sha512 names that digest, where the registry has the manifest by it and names its sha256 (go-containerregistry, which crane serves)."`
	Deletes   bool `key:"deletes" doc:"Whether the delete of a blob that is not there is answered by 404 where the registry fails with 500 (go-containerregistry, which crane serves)."`
	Chunks    bool `key:"chunks" doc:"Whether a chunk of an upload that does not begin where the last one ended is answered by 416 where the registry takes it (Distribution 2.8), and who asks how far an upload is gets what passed through backref of it where the registry can't say (go-containerregistry, which crane serves)."`
	Hashes    bool `key:"hashes" doc:"Whether blobs are hashed on their way, so that they can be pushed by a sha512 to a registry that takes no digest but sha256. It costs the time to hash each upload twice, also those of who pushes by sha256; it needs digests. Off by default: Distribution, GitLab's registry and those made of them take any digest. To be turned on before Distribution 3 where blobs are pushed by a sha512 and its garbage collection is run: that fails on each such blob that nothing names any more."`
	Digests   bool `key:"digests" doc:"Whether a blob is called, found, mounted and deleted by the digest that it was pushed by, such as sha512, where the registry calls it by its own one, sha256 (Distribution, GitLab)."`
	Envelopes bool `key:"envelopes" doc:"Whether a manifest that the registry refuses, though all that it names is there, is kept in an envelope that the registry takes, under a hidden tag sha256-HEX.kept, and served as it was pushed (Docker's old registries; GitLab). One that the registry takes, and that names blobs by a sha512, gets an envelope as well, without which Distribution's garbage collection drops these blobs."`
}

// noShims stands for none of the shims, in a list of their keys.
const noShims = "none"

// Of returns the shims of a registry beside upstream.url that names its own ones; where
// it names none they are those of upstream.url.
func (s UpstreamShims) Of(named []string) UpstreamShims {
	if len(named) == 0 {
		return s
	}
	has := func(key string) bool { return slices.Contains(named, key) && !slices.Contains(named, noShims) }
	return UpstreamShims{
		Ranges: has("ranges"), Locations: has("locations"), Asked: has("asked"), Deletes: has("deletes"),
		Chunks: has("chunks"), Hashes: has("hashes"), Digests: has("digests"), Envelopes: has("envelopes"),
	}
}

// The values of [Upstream.Transport].
const (
	TransportOwn      = "own"
	TransportStandard = "standard"
)

// UpstreamService is how backref proves itself to the registry.
type UpstreamService struct {
	Username     string `key:"username" doc:"User name; it needs to read everywhere." reload:"true"`
	Password     string `key:"password" doc:"Password or token of the user." secret:"true" reload:"true"`
	PasswordFile string `key:"passwordFile" doc:"File with the password, instead of password." reload:"true" file:"true"`
	DockerConfig string `key:"dockerConfig" doc:"Docker's config.json with the credentials, or with the credential helper that has them, instead of username and password." reload:"true" file:"true"`
	Anonymous    bool   `key:"anonymous" doc:"The registry lets anyone read, so that no credentials are needed."`
}

// UpstreamTimeouts bounds the phases of a request to the registry.
type UpstreamTimeouts struct {
	Connect        time.Duration `key:"connect" doc:"Opening a connection, TLS handshake included."`
	ResponseHeader time.Duration `key:"responseHeader" doc:"From the end of the request to the header of its response."`
	Stall          time.Duration `key:"stall" doc:"How long the registry may pause while it takes or sends a body."`
	Idle           time.Duration `key:"idle" doc:"How long an idle connection is kept."`
	Query          time.Duration `key:"query" doc:"One question that backref asks for itself, body included."`
	Grace          time.Duration `key:"grace" doc:"How much longer than its timeouts a push or delete is held for possible: the registry may go on with what was given up on."`
}

// Index configures where the index is kept.
type Index struct {
	Path     string        `key:"path" doc:"File of the embedded index; it is created where there is none."`
	Postgres IndexPostgres `key:"postgres" doc:"A PostgreSQL database instead of the file, which several replicas of backref share."`
}

// The values of [Referrers.FallbackTags].
const (
	FallbackOff    = "off"
	FallbackImport = "import"
	FallbackMirror = "mirror"
)

// The values of [Referrers.LegacyTags].
const (
	LegacyShow = "show"
	LegacyOff  = "off"
)

// Referrers configures how referrers are found and listed.
type Referrers struct {
	FallbackTags  string              `key:"fallbackTags" doc:"What is done with the referrers tags that clients without the API keep upstream: off ignores them, import reads them, mirror also keeps them equal to the listings (needs upstream.service with the right to push)." enum:"off,import,mirror"`
	HiddenTags    bool                `key:"hiddenTags" doc:"Whether each referrer that is pushed by digest, or that the mirror finds, is given a hidden tag of its own, sha256-HEX.referrer, by which the registry's API lists it and its garbage collection keeps it. Clients don't see these tags: see tags.hide."`
	Order         string              `key:"order" doc:"The order of a listing for which none is asked: some tools take the first entry, which by digest is any. -created has the newest first." enum:"digest,-digest,created,-created,artifactType,-artifactType,version,-version"`
	RecheckTag    time.Duration       `key:"recheckTag" doc:"How long a referrers tag that was read, or found missing, is not asked for again. 0 asks on every query."`
	LegacyTags    string              `key:"legacyTags" doc:"Whether the extension API shows as legacy referrers what cosign 2 keeps under the tags sha256-HEX.sig, .att and .sbom, where a query does not say by its parameter legacy. For each manifest that it is asked about the three tags are asked for, and asked for again after referrers.recheckTag." enum:"show,off"`
	TagListingTTL time.Duration       `key:"tagListingTTL" doc:"How long a listing that was served under a referrers tag is found by its digest too, which the registry doesn't know. 0 keeps none."`
	Upstream      []ReferrersUpstream `key:"upstream" doc:"Second registries, each for the manifests with a subject of some repositories: upstream.url keeps the images. Of several that are for a repository the first counts. See split.md."`
	Sources       []ReferrersSource   `key:"sources" doc:"Registries that know of further referrers of what upstream.url has, such as that of the vendor whose images are mirrored, or the origin of a pull-through cache. They are only read: what they list is listed too, and what they list can be pulled. See split.md."`
	RecheckNative time.Duration       `key:"recheckNative" doc:"How long a repository that was found without a referrers API upstream, or a subject that the API does not know, is not asked for there again. 0 asks on every query."`
}

// Tags configures how tags are listed, and which of them stay what they are.
type Tags struct {
	Hide     string    `key:"hide" doc:"Which tags are left out of tags/list: none, referrers tags (sha256-HEX where it stands for a list of referrers, and sha256-HEX.referrer), or also those of cosign (sha256-HEX.sig, .att and .sbom). Tools that mirror by tags/list, such as skopeo sync, leave out what is hidden without saying so; backref copy --all-tags copies a repository with its referrers." enum:"none,referrers,referrers+cosign"`
	Locks    []TagLock `key:"locks" doc:"Tags that are immutable from their first push: nobody can move or delete them, or delete what they stand for. Signatures and other referrers can still be added." reload:"true"`
	Deletion string    `key:"deletion" doc:"What the registry deletes where it is asked to delete a tag: tag says that it deletes the tag alone, as the specification has it. Some registries delete the manifest with all its tags; so with unknown a tag can't be deleted as long as a locked tag holds its manifest too." enum:"unknown,tag" reload:"true"`
}

// Reconcile configures what runs beside requests.
type Reconcile struct {
	SettleInterval time.Duration `key:"settleInterval" doc:"How often the pushes and deletes of unknown outcome are put to the registry. 0 leaves them to the next reader."`
	VerifyInterval time.Duration `key:"verifyInterval" doc:"How long a pass over the whole index takes that compares it with the registry and mends it. 0 turns it off."`
	MissingTwice   time.Duration `key:"missingTwice" doc:"The least time between the two answers \"not found\" that drop a record."`
	Rate           int           `key:"rate" doc:"The most questions a second that a rebuild or verification asks the registry." reload:"true"`
	Concurrency    int           `key:"concurrency" doc:"The most questions at once that a rebuild or verification asks the registry."`
}

// Permissions configures how it is decided who may see a listing.
type Permissions struct {
	CacheTTL     time.Duration `key:"cacheTTL" doc:"How long a client that the upstream let read in a repository is not asked for again. 0 asks on every query."`
	CacheEntries int           `key:"cacheEntries" doc:"The most permissions that are remembered."`
}

// Cache configures what is kept in memory.
type Cache struct {
	Pages       Size          `key:"pages" doc:"The most memory for answers to referrers queries, which are used as long as their listing has not changed. 0 keeps none."`
	Manifests   Size          `key:"manifests" doc:"The most memory for manifests that were pulled by digest. 0 keeps none. Each is dropped when it is deleted through backref, or an event tells of it."`
	ManifestTTL time.Duration `key:"manifestTTL" doc:"How long a manifest is kept at most: one that is deleted past backref can be pulled for so long by clients that were let read in its repository just now."`
}

// Limits bounds what requests may use.
type Limits struct {
	Rate                int           `key:"rate" doc:"The most requests a second that are let in, of all clients together; the others get 503. 0 sets no bound." reload:"true"`
	Burst               int           `key:"burst" doc:"How many requests at once may exceed limits.rate after a pause." reload:"true"`
	ClientRate          int           `key:"clientRate" doc:"The most requests a second that one client is let in with; beyond them it gets 429. A client is whoever sends the same credentials, once the registry has accepted them, else an address (IPv6: a /64). 0 sets no bound." reload:"true"`
	ClientBurst         int           `key:"clientBurst" doc:"How many requests at once may exceed limits.clientRate after a pause." reload:"true"`
	Concurrency         int           `key:"concurrency" doc:"The most requests that are served at once; the others get 503. 0 sets no bound." reload:"true"`
	ClientConcurrency   int           `key:"clientConcurrency" doc:"The most requests of one client that are served at once; beyond them it gets 429. 0 sets no bound." reload:"true"`
	TrackedClients      int           `key:"trackedClients" doc:"The most clients that are told apart; those that ask seldom are forgotten first." reload:"true"`
	TransferInterval    time.Duration `key:"transferInterval" doc:"How long a client may keep backref waiting while it sends or takes limits.transferSize of a body. A slower one is cut off. 0 lets all take their time." reload:"true"`
	TransferSize        Size          `key:"transferSize" doc:"How much of a body a client has to send or take in limits.transferInterval." reload:"true"`
	PageSize            int           `key:"pageSize" doc:"The most entries of a page (n) that a client gets of tags, repositories or referrers; a larger n counts as this." reload:"true"`
	ManifestSize        Size          `key:"manifestSize" doc:"The largest manifest that is accepted, and the largest config of an image that is read to know when that was made." reload:"true"`
	ManifestMemory      Size          `key:"manifestMemory" doc:"The most bytes of manifests that are held at once while they are pushed or read through; the process takes several times as much for them. Pushes beyond wait for a moment, then are told to come again." reload:"true"`
	ManifestTime        time.Duration `key:"manifestTime" doc:"How long a client may take to send a manifest." reload:"true"`
	ManifestDepth       int           `key:"manifestDepth" doc:"How deep the JSON of a manifest may be nested." reload:"true"`
	ManifestDescriptors int           `key:"manifestDescriptors" doc:"The most descriptors of a manifest: subject, config, layers, manifests and blobs together." reload:"true"`
	ManifestAnnotations int           `key:"manifestAnnotations" doc:"The most annotations of a manifest itself." reload:"true"`
	ReferrerAnnotations Size          `key:"referrerAnnotations" doc:"The most bytes of annotations of a pushed manifest that has a subject: listings carry them." reload:"true"`
	DescriptorSize      Size          `key:"descriptorSize" doc:"The largest descriptor of a referrers page. Of a larger one the longest annotations are left out there, and named in the annotation com.github.backref.annotations-omitted." reload:"true"`
	ResponseSize        Size          `key:"responseSize" doc:"The largest referrers page, unless a single entry is larger." reload:"true"`
	TagEntries          int           `key:"tagEntries" doc:"The most entries of a referrers tag, or of an upstream's own referrers answer, that are read." reload:"true"`
	TagListings         Size          `key:"tagListings" doc:"The most bytes of listings that are kept in the index because they were served under referrers tags; each counts 4KiB more than it has. Beyond it the oldest are forgotten." reload:"true"`
	UpstreamQueries     int           `key:"upstreamQueries" doc:"The most questions that backref asks the upstream at once to answer one request." reload:"true"`
	ListEntries         int           `key:"listEntries" doc:"The most repositories, and the most tags of one, that a rebuild, a verification, the extension API or, in auth.mode service, the catalog reads." reload:"true"`
	TagListSize         Size          `key:"tagListSize" doc:"The most bytes of tag lists that are read from the upstream to answer one request." reload:"true"`
	TagListPages        int           `key:"tagListPages" doc:"The most pages of a tag list that are read from the upstream to answer one request." reload:"true"`
	TrackedSubjects     int           `key:"trackedSubjects" doc:"The most subjects whose referrers tag is remembered as read, or that the upstream's own referrers API was found not to know; as many repositories are remembered as with or without that API."`
	TreeNodes           int           `key:"treeNodes" doc:"The most manifests that a tree of the extension API shows." reload:"true"`
	Cascade             int           `key:"cascade" doc:"The most direct and indirect referrers that are deleted with a manifest." reload:"true"`
	CatalogTags         int           `key:"catalogTags" doc:"The most tags of a repository that the extension API sorts; each is looked up in the upstream." reload:"true"`
	CoverageImages      int           `key:"coverageImages" doc:"The most tags of a repository that the extension API tells, and backref coverage, what their images lack; each is looked up in the upstream." reload:"true"`
}

// Log configures what is logged.
type Log struct {
	Level      string        `key:"level" doc:"The least severe lines that are logged. It can be changed while the server runs, by the admin API." enum:"debug,info,warn,error" reload:"true"`
	Format     string        `key:"format" doc:"How lines are written: one JSON object each, or text for people, in colours on a terminal unless NO_COLOR is set." enum:"json,text"`
	Access     bool          `key:"access" doc:"Log a line for each request. Without it only requests that failed by 500 or above are logged, and those in which something went wrong that the client was not told of."`
	AccessFile string        `key:"accessFile" doc:"File that the lines of requests are appended to, whatever log.level says, instead of standing among the others. The folder has to be there."`
	Delay      time.Duration `key:"delay" doc:"How long lines are gathered before they are written. What was logged within this time before a crash is lost. 0 writes each at once."`
}

// Reload configures when the configuration is read again.
type Reload struct {
	Watch    bool          `key:"watch" doc:"Whether the configuration is read again when its file, or one that it names, has changed. It always is after SIGHUP." reload:"true"`
	Interval time.Duration `key:"interval" doc:"How often these files are looked at. A change counts when two looks in succession have seen the same." reload:"true"`
}

// Tracing configures traces.
type Tracing struct {
	Enabled  bool     `key:"enabled" doc:"Make traces and send them to a collector."`
	Endpoint *url.URL `key:"endpoint" doc:"URL of the collector, without /v1/traces, which takes OTLP over HTTP, or over gRPC with OTEL_EXPORTER_OTLP_PROTOCOL=grpc; without it OTEL_EXPORTER_OTLP_ENDPOINT says where, else it is this machine."`
}

// Default returns the configuration that holds where nothing is set. It lacks
// only the upstream's URL.
func Default() Config {
	return Config{
		Server: Server{
			Listen:            ":8080",
			TLS:               ServerTLS{MinVersion: TLS12, ClientAuth: ClientAuthNone},
			DrainTimeout:      30 * time.Second,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
		},
		Admin: Admin{Listen: "127.0.0.1:5001", TLS: ServerTLS{MinVersion: TLS12, ClientAuth: ClientAuthNone}},
		Upstream: Upstream{
			Timeouts: UpstreamTimeouts{
				Connect:        10 * time.Second,
				ResponseHeader: time.Minute,
				Stall:          time.Minute,
				Idle:           90 * time.Second,
				Query:          30 * time.Second,
				Grace:          time.Minute,
			},
			CheckInterval:      30 * time.Second,
			Shims:              UpstreamShims{Ranges: true, Locations: true, Asked: true, Deletes: true, Chunks: true, Digests: true, Envelopes: true},
			MaxIdleConnections: 256,
			Transport:          TransportOwn,
		},
		Audit: Audit{Keep: auditKeep, Entries: auditEntries},
		Index: Index{Path: DefaultIndexPath, Postgres: IndexPostgres{Schema: "backref", Connections: 16, Timeout: 10 * time.Second, Durability: "local"}},
		Referrers: Referrers{
			FallbackTags: FallbackImport, HiddenTags: true, Order: "digest", LegacyTags: LegacyShow,
			RecheckTag: 5 * time.Minute, TagListingTTL: time.Hour, RecheckNative: 10 * time.Minute,
		},
		Tags: Tags{Hide: "referrers", Deletion: DeletionUnknown},
		Reconcile: Reconcile{
			SettleInterval: 30 * time.Second,
			VerifyInterval: 24 * time.Hour,
			MissingTwice:   time.Minute,
			Rate:           500,
			Concurrency:    8,
		},
		Auth:        Auth{Mode: AuthPassthrough, CacheTTL: 30 * time.Second, Realm: RealmKeep, RecheckRealm: 5 * time.Minute},
		Retention:   Retention{Rate: 10, MaxPerRun: 1000},
		Coverage:    Coverage{Interval: time.Hour},
		Notices:     Notices{Entries: noticesEntries},
		Verify:      Verify{MaxSize: 8 << 20, Concurrency: 4, CacheEntries: 10_000},
		Permissions: Permissions{CacheTTL: 10 * time.Second, CacheEntries: 10_000},
		Cache:       Cache{Pages: 64 << 20, ManifestTTL: time.Minute},
		Limits:      defaultLimits(),
		UI:          UI{Admin: true, SessionTTL: time.Hour, OIDC: UIOIDC{Scopes: []string{"profile"}}},
		Log:         Log{Level: "info", Format: "json", Access: true, Delay: 100 * time.Millisecond},
		Reload:      Reload{Watch: true, Interval: 2 * time.Second},
	}
}

func defaultLimits() Limits {
	return Limits{
		Burst:               1000,
		ClientBurst:         200,
		Concurrency:         4096,
		TrackedClients:      100_000,
		TransferInterval:    30 * time.Second,
		TransferSize:        64 << 10,
		PageSize:            10_000,
		ManifestSize:        4 << 20,
		ManifestMemory:      64 << 20,
		ManifestTime:        time.Minute,
		ManifestDepth:       64,
		ManifestDescriptors: 20_000,
		ManifestAnnotations: 1_000,
		ReferrerAnnotations: 64 << 10,
		DescriptorSize:      2 << 10,
		ResponseSize:        4 << 20,
		TagEntries:          10_000,
		TagListings:         64 << 20,
		UpstreamQueries:     8,
		ListEntries:         1_000_000,
		TagListSize:         32 << 20,
		TagListPages:        256,
		TrackedSubjects:     100_000,
		TreeNodes:           1000,
		Cascade:             10_000,
		CatalogTags:         2000,
		CoverageImages:      20_000,
	}
}
