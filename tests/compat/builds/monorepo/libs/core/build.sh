set -e
mkdir -p "$LIBS"
echo core 1.0 > "$LIBS/core"
ln -s core "$LIBS/core.link"
chmod 750 "$LIBS"
