package main

import (
	"encoding/base64"
	"io"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/config"
)

// full returns a configuration in which each key may be changed alone.
func full(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	pair := issue(t, dir, 1)
	hash, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"users": "ann:" + string(hash), "token": "x", "password": "x"} {
		write(t, filepath.Join(dir, name), content)
	}
	cfg := configFor(t, "https://127.0.0.1:9")
	cfg.Server.TLS = config.ServerTLS{CertFile: pair.cert, KeyFile: pair.key, MinVersion: config.TLS12, ClientAuth: config.ClientAuthRequest, ClientCAFile: pair.cert}
	cfg.Admin.TLS, cfg.Admin.TokenFile = cfg.Server.TLS, filepath.Join(dir, "token")
	cfg.Admin.Client = config.AdminClient{CertFile: pair.cert, KeyFile: pair.key}
	cfg.Upstream.TLS = config.UpstreamTLS{CAFile: pair.cert, CertFile: pair.cert, KeyFile: pair.key}
	cfg.Upstream.Service = config.UpstreamService{Username: "backref", PasswordFile: filepath.Join(dir, "password")}
	cfg.Auth.Mode, cfg.Auth.HtpasswdFile = config.AuthService, filepath.Join(dir, "users")
	cfg.Auth.Rules = []config.Rule{{Repositories: []string{"**"}, Anonymous: true, Allow: []string{"pull"}}}
	cfg.UI.Public = true
	cfg.Limits.ManifestMemory = 4 * cfg.Limits.ManifestSize
	return cfg
}

// leaf is a key of a configuration.
type leaf struct {
	path  string
	value reflect.Value
	tag   reflect.StructTag
}

func leaves(v reflect.Value, prefix string) []leaf {
	var all []leaf
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		if path := prefix + tag.Get("key"); v.Field(i).Kind() == reflect.Struct {
			all = append(all, leaves(v.Field(i), path+".")...)
		} else {
			all = append(all, leaf{path, v.Field(i), tag})
		}
	}
	return all
}

// changed gives a key another value that may stand alone.
func changed(t *testing.T, cfg config.Config, path string) config.Config {
	t.Helper()
	all := leaves(reflect.ValueOf(&cfg).Elem(), "")
	key := all[slices.IndexFunc(all, func(l leaf) bool { return l.path == path })]
	switch value := key.value.Addr().Interface().(type) {
	case *int:
		*value++
	case *bool:
		*value = !*value
	case *time.Duration:
		*value += time.Second
	case *config.Size:
		*value += 1024
	case **url.URL:
		*value = &url.URL{Scheme: "https", Host: "other.example"}
	case *[]netip.Prefix:
		*value = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	case *[]string:
		*value = []string{"other.example"}
	case *[]config.Issuer:
		*value = []config.Issuer{{URL: &url.URL{Scheme: "https", Host: "issuer.example"}, Audience: "backref", Prefix: "oidc:"}}
	case *[]config.Rule:
		*value = []config.Rule{{Repositories: []string{"other"}, Anonymous: true, Allow: []string{"pull"}}}
	case *[]config.ArtifactRule:
		*value = []config.ArtifactRule{{Name: "other", Repositories: []string{"other"}, Actions: []string{"pull"}, Deny: []string{"images"}}}
	case *[]config.Signer:
		*value = []config.Signer{{Name: "other", KeyFile: "other.pub"}}
	case *[]config.RetentionRule:
		*value = []config.RetentionRule{{Name: "other", Repositories: []string{"other"}, Keep: config.RetentionKeep{All: true}}}
	case *[]config.CoverageRule:
		*value = []config.CoverageRule{{Name: "other", Repositories: []string{"other"}, Require: []string{"sbom"}}}
	case *[]config.Webhook:
		secret := filepath.Join(t.TempDir(), "secret")
		write(t, secret, "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
		*value = []config.Webhook{{Name: "other", URL: &url.URL{Scheme: "https", Host: "hook.example"}, SecretFile: secret}}
	case *[]config.Listener:
		*value = []config.Listener{{Name: "other", Listen: "127.0.0.1:1"}}
	case *[]config.UpstreamRoute:
		*value = []config.UpstreamRoute{{Prefix: "other", URL: &url.URL{Scheme: "https", Host: "other.example"}, Service: config.UpstreamService{Anonymous: true}}}
	case *[]config.ReferrersUpstream:
		*value = []config.ReferrersUpstream{{Repositories: []string{"other"}, URL: &url.URL{Scheme: "https", Host: "other.example"}, Service: config.UpstreamService{Anonymous: true}}}
	case *[]config.ReferrersSource:
		*value = []config.ReferrersSource{{Repositories: []string{"other"}, URL: &url.URL{Scheme: "https", Host: "other.example"}}}
	case *string:
		*value = otherText(key)
	case *[]config.TagLock:
		*value = append(*value, config.TagLock{Name: "other", Repositories: []string{"other/**"}, Tags: []string{"v*"}})
	case *[]config.CascadeRule:
		*value = append(*value, config.CascadeRule{Name: "other", Repositories: []string{"other/**"}})
	default:
		t.Fatalf("%s: no way to change a %s", path, key.value.Type())
	}
	switch path {
	case "ui.oidc.issuer":
		cfg.UI.OIDC.ClientID = "other"
		cfg.Auth.Issuers = []config.Issuer{{URL: cfg.UI.OIDC.Issuer, Audience: "backref", Prefix: "oidc:"}}
	case "ui.oidc.clientID", "ui.oidc.clientSecretFile":
		cfg.UI.OIDC.Issuer, cfg.UI.OIDC.ClientID = &url.URL{Scheme: "https", Host: "issuer.example"}, "other"
		cfg.Auth.Issuers = []config.Issuer{{URL: cfg.UI.OIDC.Issuer, Audience: "backref", Prefix: "oidc:"}}
	case "upstream.service.password":
		cfg.Upstream.Service.PasswordFile = ""
	case "upstream.service.dockerConfig":
		cfg.Upstream.Service = config.UpstreamService{DockerConfig: cfg.Upstream.Service.DockerConfig}
	case "index.postgres.url":
		cfg.Index.Path = config.DefaultIndexPath
	case "index.postgres.password", "index.postgres.passwordFile":
		cfg.Index.Path, cfg.Index.Postgres.URL = config.DefaultIndexPath, "postgres://backref@db/backref"
	}
	return cfg
}

// otherText returns another value of a key, one of those that it may have.
func otherText(key leaf) string {
	before := key.value.String()
	for option := range strings.SplitSeq(key.tag.Get("enum"), ",") {
		if option != "" && option != before && option != config.AuthPassthrough && option != config.ClientAuthNone {
			return option
		}
	}
	switch {
	case key.path == "auth.mode":
		return config.AuthPassthrough
	case strings.HasSuffix(key.path, "isten"):
		return "127.0.0.1:1"
	case key.path == "index.postgres.url":
		return "postgres://backref@db/backref"
	default:
		return "other"
	}
}

// taken is all that the parts of a server take of a configuration.
func taken(t *testing.T, s *server, cfg config.Config) []any {
	t.Helper()
	settings, err := options.Settings(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	retention, err := options.RetentionSettings(cfg.Retention)
	if err != nil {
		t.Fatal(err)
	}
	watched, err := options.Coverage(cfg)
	if err != nil {
		t.Fatal(err)
	}
	source, behind := options.Source(cfg, s.upstream, s.store), options.Upstream(cfg.Upstream)
	return []any{
		cfg.Server.TLS, cfg.Admin.TLS, cfg.Admin.TokenFile, behind.Service, behind.TLS, settings, options.SignIn(cfg.Auth), cfg.Auth.Rules,
		source.Limits, source.Rate, options.Audit(cfg.Audit), cfg.Verify, cfg.Log.Level, cfg.Reload, retention, watched,
		cfg.UI.SessionTTL, cfg.UI.OIDC, cfg.Notices,
		// The command line reads it each time.
		cfg.Admin.Client,
	}
}

// What the documentation says of each key is so: a change of one with the tag
// reload is among what the server takes over, one of any other is named as waiting
// for a restart, and changes nothing.
func TestEachKeyIsLiveOrNeedsARestart(t *testing.T) {
	base := full(t)
	s, err := newServer(t.Context(), base, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	before := taken(t, s, base)
	for _, key := range leaves(reflect.ValueOf(&base).Elem(), "") {
		t.Run(key.path, func(t *testing.T) {
			change, err := base.Adopt(changed(t, base, key.path))
			if err != nil {
				t.Fatal(err)
			}
			live := key.tag.Get("reload") == "true"
			if slices.Contains(change.Live, key.path) != live || slices.Contains(change.Waiting, key.path) == live {
				t.Errorf("live %v, waiting for a restart %v", change.Live, change.Waiting)
			}
			if reflect.DeepEqual(taken(t, s, change.Config), before) == live {
				t.Errorf("what the server takes over changes: %t, want %t", !live, live)
			}
		})
	}
	for _, section := range []string{"server.tls.", "admin.tls.", "upstream.service."} {
		t.Run(section+" off", func(t *testing.T) {
			other := base
			switch section {
			case "server.tls.":
				other.Server.TLS = config.ServerTLS{MinVersion: config.TLS12, ClientAuth: config.ClientAuthNone}
			case "admin.tls.":
				other.Admin.TLS = config.ServerTLS{MinVersion: config.TLS12, ClientAuth: config.ClientAuthNone}
			default:
				other.Upstream.Service, other.Auth = config.UpstreamService{}, config.Default().Auth
			}
			change, err := base.Adopt(other)
			switch {
			case section == "upstream.service.":
				if err == nil || !strings.Contains(err.Error(), "upstream.service.username") {
					t.Errorf("%+v, %v", change.Waiting, err)
				}
			case err != nil:
				t.Error(err)
			case len(change.Live) > 0 || !slices.Contains(change.Waiting, section+"certFile"):
				t.Errorf("live %v, waiting for a restart %v", change.Live, change.Waiting)
			}
		})
	}
}

// Each part takes over what was changed, files included, and says what is wrong
// with it before anything counts.
func TestPartsRefuseWhatIsWrong(t *testing.T) {
	base := full(t)
	s, err := newServer(t.Context(), base, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	for _, file := range base.Files() {
		wrong := base
		all := leaves(reflect.ValueOf(&wrong).Elem(), "")
		all[slices.IndexFunc(all, func(l leaf) bool { return l.path == file.Key })].value.SetString(filepath.Join(t.TempDir(), "missing"))
		key := file.Key
		if strings.HasSuffix(key, "tls.certFile") || strings.HasSuffix(key, "tls.keyFile") {
			// They are wrong together.
			key = key[:strings.LastIndexByte(key, '.')]
		}
		if _, err := s.reloader.prepare(wrong); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s: %v", file.Key, err)
		}
	}
}
