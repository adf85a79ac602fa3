#!/usr/bin/env bash
# Makes a released model and its card, from a config and folders of images, in the
# place of those of that name in this checkout:
#
#   release/release.sh denoise DATA RUNS    # or another name that it knows
#
# DATA holds BSD431, CBSD68, LIVE1, Set5 and Set14. The run is kept in
# RUNS/NAME. Finished steps are skipped, so the same command continues after any
# stop.
#
#   PEERS    folder of other networks' weights, see release/peers.py
#   PYTHON   interpreter, default: python
#   MINUTES  stops training after this many minutes; the same command continues
#            from the last checkpoint, to the same weights as without a stop.
#            For a GPU that is free for nine minutes at a time, set MINUTES=8.
set -eu

fail() {
  echo "error: $1" >&2
  exit 2
}

dedicated= begin= more=()
case ${1:-} in
denoise) sets='cbsd68=CBSD68,set5=Set5,set14=Set14' config=denoise ;;
denoise-small)
  sets='cbsd68=CBSD68,set5=Set5,set14=Set14' dedicated='35 50'
  config=denoise_small
  ;;
denoise-fine)
  sets='cbsd68=CBSD68,set5=Set5,set14=Set14' config=denoise_fine
  begin=denoise-small more=(--levels 2,5,10,15,20)
  ;;
dejpeg)
  sets='live1=LIVE1,set5=Set5,set14=Set14' config=dejpeg begin=denoise
  ;;
dejpeg-small)
  sets='live1=LIVE1,set5=Set5,set14=Set14' config=dejpeg_small
  ;;
sr) sets='set5=Set5,set14=Set14' config=sr begin=denoise ;;
sr-small) sets='set5=Set5,set14=Set14' config=sr_small ;;
*) fail 'Give the model first: denoise, denoise-small, denoise-fine, dejpeg, dejpeg-small, sr or sr-small; then DATA and RUNS.' ;;
esac
name=$1
data=${2:?error: Give the folder of image sets second.}
run=${3:?error: Give the folder of runs third.}/$name
[[ -d $data/BSD431 ]] || fail "There is no $data/BSD431, the training images."
python=${PYTHON:-python}
limit=()
[[ -n ${MINUTES:-} ]] && limit=(timeout -s KILL "${MINUTES}m")
sets=${sets//=/=$data/}

# Whether so many seconds are MINUTES, which need not be whole. If not, something
# else killed Python; a system does so when memory is full. SECONDS may lack one.
timed_out() {
  [[ -n ${MINUTES:-} ]] &&
    awk -v s="$1" -v m="$MINUTES" 'BEGIN { exit !(s + 1 >= 60 * m) }'
}

# Training, calibration and evaluation; or a dedicated network.
stretch() {
  local code=0 begun=$SECONDS
  "${limit[@]+"${limit[@]}"}" "$python" "$@" || code=$?
  ((code == 0)) && return
  if ((code == 124 || code == 137)) && timed_out $((SECONDS - begun)); then
    echo "stopped after $MINUTES minutes; the same command continues from there"
    exit 0
  fi
  ((code != 137)) ||
    echo "error: python $2 was killed, perhaps for want of memory;" \
      "the same command continues from the last checkpoint" >&2
  exit "$code"
}

# Some begin with a model in the package.
init=()
if [[ -n $begin ]]; then
  file=adafm_jax/zoo/$begin.safetensors
  if [[ $name == dejpeg ]]; then
    mkdir -p "$run"
    [[ -f $run/luma.safetensors ]] ||
      "$python" -m release.luma "$file" -o "$run/luma.safetensors"
    file=$run/luma.safetensors
  fi
  init=(--config.model.init="$file")
fi
if [[ ! -f $run/model.safetensors ]]; then
  stretch -m adafm_jax.main --config "configs/$config.py" \
    --workdir "$run" --config.data.train="$data/BSD431" \
    "${init[@]+"${init[@]}"}" \
    --config.evaluate.sets="${sets%%,*}"
fi
beside=()
for level in $dedicated; do
  file=$run/dedicated_$level.safetensors
  [[ -f $file ]] || stretch -m release.dedicated "$run" --level "$level" -o "$file"
  beside+=("$level=$file")
done

"$python" -m release.register "$run/model.safetensors" --name "$name" \
  --dtype float16 --replace --licence Apache-2.0 \
  --description "trained by release/release.sh on BSD images, which are for research"
joined=$(IFS=, && echo "${beside[*]+"${beside[*]}"}")
"$python" -m release.evaluate "$name" --sets "$sets" \
  --data-train "$data/BSD431" \
  --float32 "$run/model.safetensors" ${joined:+--dedicated "$joined"} \
  ${PEERS:+--peers "$PEERS"} "${more[@]+"${more[@]}"}" \
  -o docs/models
"$python" -m release.card.card "$name"
"$python" -m release.same_picture --models "$name"
