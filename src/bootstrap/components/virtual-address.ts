export const KEEPALIVED_UNIT = 'slipway-keepalived.service';
/** The distribution's own service, which must not run beside ours. */
export const DISTRIBUTION_KEEPALIVED_UNIT = 'keepalived.service';
