// A self-signed certificate for localhost and its key: for tests of TLS on the loopback only.

export const certificate: { readonly key: string; readonly cert: string } = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj7jMU7oKyERJQhPi
BraA+N8fy3mIwb5imX4nKxjZNBahRANCAAQ8ZYmMjbOfch8S/L4Q4s5Is8qWWo0l
vXwnhfvdadS5hP6QZEm33EEDQJnAF/kxPFO/g3+z8HYhA4+psKpdeu24
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUDUR1j+HgNeYQuNvqlmes9BGc/4IwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjA4NDcxOVoYDzIxMjYxMDI5
MDg0NzE5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ8ZYmMjbOfch8S/L4Q4s5Is8qWWo0lvXwnhfvdadS5hP6QZEm33EED
QJnAF/kxPFO/g3+z8HYhA4+psKpdeu24o28wbTAdBgNVHQ4EFgQUT0xTqV+fy8Qg
bu8plaMGlDyYtD8wHwYDVR0jBBgwFoAUT0xTqV+fy8Qgbu8plaMGlDyYtD8wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAK5t4Yprumte+rCwHLyxVwBvL14fqK3DKmTIHPt3mtDqAiEA
gyGL1Ep9ceg1/9IeN8L4VrA1Pbxu3WpBMybLvY9nv9I=
-----END CERTIFICATE-----
`,
};
