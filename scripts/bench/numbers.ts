// Figures as people read them: as many digits as mean something.
export const whole = (value: number) => Math.round(value).toLocaleString("en-US");
export const ratio = (value: number) => value.toFixed(2);
export const ms = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
export const micros = (value: number) => value.toFixed(value < 100 ? 1 : 0);
