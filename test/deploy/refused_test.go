package deploy

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Values that can't work are refused by both Helms, with the key's name.
func TestValuesAreRefused(t *testing.T) {
	const database = `{"index": {"postgres": {"url": "postgres://backref@db/backref"}}}`
	for name, wrong := range map[string]struct {
		values string
		// says is what each message has to hold.
		says []string
	}{
		"unknown key":                {`{"replicaz": 2}`, []string{"replicaz"}},
		"unknown key of config":      {`{"config": {"upstream": {"timeouts": {"conect": "3s"}}}}`, []string{"timeouts", "conect"}},
		"wrong type":                 {`{"replicas": "two"}`, []string{"replicas"}},
		"no duration":                {`{"config": {"server": {"drainTimeout": "soon"}}}`, []string{"drainTimeout", "pattern"}},
		"no size":                    {`{"config": {"limits": {"manifestSize": "4 apples"}}}`, []string{"manifestSize"}},
		"not one of several":         {`{"config": {"referrers": {"fallbackTags": "mirrored"}}}`, []string{"fallbackTags", "import"}},
		"unknown type of service":    {`{"service": {"type": "External"}}`, []string{"type", "NodePort"}},
		"tag of an image":            {`{"image": {"tag": "v1+build"}}`, []string{"tag"}},
		"digest of an image":         {`{"image": {"digest": "sha256:12"}}`, []string{"digest"}},
		"argument without a dash":    {`{"verify": {"args": ["rm"]}}`, []string{"args"}},
		"no registry":                {`{"config": {"upstream": null}}`, []string{"config.upstream.url: is required"}},
		"replicas without database":  {`{"replicas": 2}`, []string{"replicas: 2", "embedded index", "config.index.postgres.url"}},
		"autoscaler without one":     {`{"autoscaling": {"enabled": true}}`, []string{"autoscaling.enabled", "embedded index"}},
		"autoscaler upside down":     {`{"autoscaling": {"enabled": true, "minReplicas": 7}, "config": ` + database + `}`, []string{"autoscaling.minReplicas"}},
		"budget that blocks":         {`{"podDisruptionBudget": {"minAvailable": 1}}`, []string{"podDisruptionBudget.minAvailable"}},
		"budget with both":           {`{"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}, "config": ` + database + `}`, []string{"podDisruptionBudget.minAvailable", "not both"}},
		"index beside the volume":    {`{"config": {"index": {"path": "/data/../tmp/backref.db"}}}`, []string{"config.index.path", "persistence.mountPath"}},
		"admin listener of the pod":  {`{"config": {"admin": {"listen": "127.0.0.1:5001"}}}`, []string{"config.admin.listen", "outside the pod"}},
		"no admin listener":          {`{"config": {"admin": {"listen": ""}}}`, []string{"config.admin.listen", "no port"}},
		"any free port":              {`{"config": {"server": {"listen": ":0"}}}`, []string{"config.server.listen", "no port"}},
		"one port for both":          {`{"config": {"server": {"listen": ":5001"}}}`, []string{"config.admin.listen", "port of config.server.listen"}},
		"probes without certificate": {`{"config": {"admin": {"tls": {"clientAuth": "require"}}}}`, []string{"config.admin.tls.clientAuth", "probes"}},
		"too short an end":           {`{"terminationGracePeriodSeconds": 44}`, []string{"terminationGracePeriodSeconds: 44", "are 45"}},
		"Job without a token":        {`{"rebuild": {"enabled": true}}`, []string{"rebuild.enabled", "secrets.adminToken.existingSecret"}},
		"CronJob without a token":    {`{"verify": {"enabled": true}}`, []string{"verify.enabled", "secrets.adminToken.existingSecret"}},
		"key given twice":            {`{"secrets": {"adminToken": {"existingSecret": "a"}}, "config": {"admin": {"tokenFile": "/b"}}}`, []string{"config.admin.tokenFile", "secrets.adminToken"}},
		"behind the chart's back":    {`{"extraEnv": [{"name": "BACKREF_ADMIN_LISTEN", "value": ":1"}]}`, []string{"BACKREF_ADMIN_LISTEN", "config.admin.listen"}},
		"password in a URL":          {`{"config": {"index": {"postgres": {"url": "postgres://u:hunter2@db/backref"}}}}`, []string{"config.index.postgres.url", "password"}},
		"password in pairs":          {`{"config": {"index": {"postgres": {"url": "host=db password = hunter2"}}}}`, []string{"config.index.postgres.url", "password"}},
		"Ingress without hosts":      {`{"ingress": {"enabled": true}}`, []string{"ingress.hosts"}},
		"route without a gateway":    {`{"httpRoute": {"enabled": true}}`, []string{"httpRoute.parentRefs"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse(t, wrong.values, wrong.says...)
		})
	}
}

// refuse makes sure that neither Helm renders the chart with some more values,
// and what they say. A secret is always "hunter2", and nobody may see it.
func refuse(t *testing.T, values string, says ...string) {
	t.Helper()
	file := writeFile(t, filepath.Join(t.TempDir(), "wrong.json"), values)
	for _, helm := range helms() {
		got := rig.Try(t, t.TempDir(), helm, "template", "rel", chart(t),
			"--values", valuesFiles(t)["minimal"], "--values", file)
		if got.Err == nil {
			t.Errorf("%s renders %s", helm, values)
			continue
		}
		for _, text := range says {
			if !strings.Contains(got.Stderr, text) {
				t.Errorf("%s says nothing of %q:\n%s", helm, text, got.Stderr)
			}
		}
		if strings.Contains(got.Stdout+got.Stderr, "hunter2") {
			t.Errorf("%s shows a secret:\n%s", helm, got.Stderr)
		}
	}
}

// Each key that the server takes for a secret is refused in config, where it
// would get into a ConfigMap, and as a plain variable. What it names instead is
// there.
func TestSecretsStayOutOfConfigMaps(t *testing.T) {
	var schema property
	if err := json.Unmarshal([]byte(rig.RunCommandLine(t, t.TempDir(), "config", "--schema")), &schema); err != nil {
		t.Fatal(err)
	}
	secrets := schema.secrets("")
	if len(secrets) == 0 {
		t.Fatal("the schema marks no secrets")
	}
	for path, variable := range secrets {
		nested := `"hunter2"`
		for _, key := range slices.Backward(strings.Split(path, ".")) {
			nested = `{"` + key + `": ` + nested + `}`
		}
		refuse(t, `{"config": `+nested+`}`, "config."+path+": is a secret", ".existingSecret")
		refuse(t, `{"extraEnv": [{"name": "`+variable+`", "value": "hunter2"}]}`, variable+": is a secret", "valueFrom")
	}
}

// property is a part of the schema of the configuration.
type property struct {
	Description string
	WriteOnly   bool
	Properties  map[string]property
}

// secrets returns the paths of the secret keys below a path, with their
// variables.
func (p property) secrets(path string) map[string]string {
	found := map[string]string{}
	for name, inner := range p.Properties {
		below := strings.TrimPrefix(path+"."+name, ".")
		if inner.WriteOnly {
			_, variable, _ := strings.Cut(inner.Description, "Environment variable ")
			found[below] = strings.TrimSuffix(variable, ".")
		}
		maps.Copy(found, inner.secrets(below))
	}
	return found
}
